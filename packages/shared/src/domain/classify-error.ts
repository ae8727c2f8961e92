/** An error answer, judged: whose fault, for how long, and what has to wait. */

import type { Answer } from './answer.ts';
import { type ErrorFacts, factsOf } from './error-facts.ts';
import { isAboutInput, isModelGone, isNothingFound, isRefusedCaller } from './error-subject.ts';
import type { ErrorCode } from './errors.ts';
import { type Loose, objectOf, objectsOf, textOf } from './lenient.ts';
import { quotasInWords } from './quota-words.ts';
import { scrub } from './scrub.ts';
import type { LimitScope, QuotaHit, Verdict } from './verdict.ts';

type Rejected = Extract<Verdict, { type: 'rejected' }>;
type Judgement = Pick<
  Rejected,
  'code' | 'retryable' | 'limit' | 'channelDown' | 'ofInput' | 'quotaId' | 'quotas' | 'none' | 'shared'
>;

const HOUR_MS = 3_600_000;

/** Judges the body of an answer that is no success. */
export function classifyError(body: Loose, answer: Answer): Verdict {
  const facts = factsOf(body, answer);
  const message = scrub(facts.message);
  if (isDeadline(facts)) {
    return { type: 'in_doubt', http: facts.http, message: message ?? `the provider answered ${facts.http}` };
  }
  if (isModerated(facts)) return blocked(facts, message);
  const judged = judge(facts);
  return {
    type: 'rejected',
    ...judged,
    http: facts.http,
    ...(judged.retryable && facts.retryAfterMs !== undefined && { retryAfterMs: facts.retryAfterMs }),
    ...(message && { message }),
  };
}

/** The provider, or something on the way to it, stopped waiting for work that went on: it may have been billed. */
function isDeadline({ http, dialect, status, message }: ErrorFacts): boolean {
  // A router's 408 is about the provider behind it; elsewhere it says that the request was dropped unread.
  if (http === 408 && dialect) return /tim(?:ed?|ing)[ -]?out/i.test(message);
  if (http < 500) return false;
  if (http === 504 || http === 524) return true;
  return status === 'DEADLINE_EXCEEDED' || /deadline (?:expired|exceeded)/i.test(message);
}

/** A moderator in front of the model refused the content: the same call would end the same way, and cost nothing. */
function isModerated({ http, dialect, words, message, moderation }: ErrorFacts): boolean {
  if (http === 403 && moderation !== undefined) return true;
  if (http !== 400) return false;
  if (/moderation_blocked|content_policy_violation|content_filter/i.test(words)) return true;
  return dialect !== undefined && /\brejected (?:by|as a result of) (?:our|the) safety system/i.test(message);
}

function blocked({ moderation, words }: ErrorFacts, message: string | undefined): Verdict {
  const blockReason = scrub(moderation?.join(', ') || words.trim())?.slice(0, 64);
  const usage = { promptTokens: 0, imageTokens: 0, textTokens: 0, totalTokens: 0, missing: true };
  return { type: 'blocked', usage, ...(blockReason && { blockReason }), ...(message && { message }) };
}

/** What would leave everybody without the channel, or the model, does not when it is about an input of this one request. */
function judge(facts: ErrorFacts): Judgement {
  if (isUnpaid(facts)) return CHANNEL_DOWN;
  const judged = judgeStatus(facts);
  const takesOut = judged.channelDown || judged.code === 'model_retired';
  const ofInput = isAboutInput(facts) && (takesOut || isReading(facts));
  return ofInput ? { ...fault('upstream_rejected'), ofInput: true } : judged;
}

/** Not how an input is, but that this channel may not or cannot read it, or not yet. */
function isReading({ http, status }: ErrorFacts): boolean {
  return http === 404 || (http === 400 && status === 'FAILED_PRECONDITION');
}

function judgeStatus(facts: ErrorFacts): Judgement {
  const { http, dialect, message, words } = facts;
  switch (http) {
    case 429:
      return judgeLimit(facts);
    case 400:
      if (isRefusedCaller(facts)) return CHANNEL_DOWN;
      return fault(/\bnot a valid model id\b/i.test(message) ? 'model_retired' : 'upstream_rejected');
    case 401:
    case 403:
      return CHANNEL_DOWN;
    case 404:
      if (isModelGone(facts)) return fault('model_retired');
      return isNothingFound(facts) ? UNAVAILABLE : fault('upstream_rejected');
    case 502:
      // Of Google's own front end it says no more than 503; a relay may have paid for what it could not hand on.
      return dialect || words.trim() ? UNAVAILABLE : OVERLOADED;
    case 503:
      return OVERLOADED;
    default:
      // 408 and 499: the request was dropped unread. 3xx: never followed, since the key would go along.
      return http >= 500 || http < 400 || http === 408 || http === 499 ? UNAVAILABLE : fault('upstream_rejected');
  }
}

const CHANNEL_DOWN: Judgement = { code: 'upstream_auth', retryable: false, channelDown: true };
const OVERLOADED: Judgement = { code: 'upstream_overloaded', retryable: true, limit: 'overload' };
const UNAVAILABLE: Judgement = { code: 'upstream_unavailable', retryable: true };

/** The account behind the key has nothing left to pay with: no wait mends that. */
function isUnpaid({ http, words }: ErrorFacts): boolean {
  return http === 402 || /insufficient_(?:quota|user_quota|balance)|billing_(?:hard_limit|not_active)/i.test(words);
}

/** The same call would end the same way. */
function fault(code: ErrorCode): Judgement {
  return { code, retryable: false };
}

/** A 429. A limit of zero never opens; a day's limit outweighs a minute's; a limit without a name may be anything. */
function judgeLimit(facts: ErrorFacts): Judgement {
  const inFields = quotasOf(facts.details);
  const quotas = inFields.length === 0 && facts.dialect ? quotasInWords(facts.message) : inFields;
  const day = quotas.find(({ per }) => per === 'day');
  const minute = quotas.find(({ per }) => per === 'minute');
  const none = quotas.find(({ value }) => value === 0);
  const id = (none ?? day ?? minute ?? quotas[0])?.id;
  const named = { ...(id && { quotaId: id }), ...(quotas.length > 0 && { quotas }) };
  if (none || /\blimit: 0\b(?!\.\d)/i.test(facts.message)) {
    return { ...fault('upstream_quota_exhausted'), none: true, ...named };
  }
  if (day || (facts.retryAfterMs ?? 0) > HOUR_MS) return { ...limited('day'), ...named };
  if (/spend(?:ing|-based)? rate/i.test(facts.message)) return { ...limited('spend'), ...named };
  if (minute) return { ...limited('minute'), ...named };
  const shared = quotas.length === 0 && /error-code-429|^resource exhausted\b/i.test(facts.message);
  return { ...limited('unknown'), ...named, ...(shared && { shared: true as const }) };
}

function limited(limit: LimitScope): Judgement {
  return { code: limit === 'day' ? 'upstream_quota_exhausted' : 'upstream_rate_limited', retryable: true, limit };
}

/** The most of them that are read: a body may list any number. */
const QUOTAS_MAX = 10;

/** The quotas that were hit, as QuotaFailure names them, or ErrorInfo where the limit is the cloud's. */
function quotasOf(details: Loose[]): QuotaHit[] {
  const violations = details
    .flatMap((detail) => objectsOf(detail['violations']))
    .map((violation) => ({
      id: textOf(violation['quotaId'] ?? violation['quota_id']),
      metric: textOf(violation['quotaMetric'] ?? violation['quota_metric']),
      value: violation['quotaValue'] ?? violation['quota_value'],
    }));
  const infos = details
    .map((detail) => objectOf(detail['metadata']))
    .map((metadata) => ({
      id: textOf(metadata['quota_limit']),
      metric: textOf(metadata['quota_metric']),
      value: metadata['quota_limit_value'],
    }));
  return [...violations, ...infos]
    .filter(({ id, metric }) => id !== undefined || metric !== undefined)
    .slice(0, QUOTAS_MAX)
    .map(({ id, metric, value }) => quotaHit((id ?? metric ?? '').slice(0, 200), `${id ?? ''} ${metric ?? ''}`, value));
}

/** What its name says of a quota: `GenerateContentInputTokensPerModelPerMinute`, `generate_requests_per_model_per_day`. */
function quotaHit(id: string, name: string, value: unknown): QuotaHit {
  const span = ['day', 'hour', 'minute'] as const;
  const per = span.find((unit) => new RegExp(`per_?${unit}`, 'i').test(name));
  const of = (['tokens', 'images', 'requests'] as const).find((what) => new RegExp(what, 'i').test(name));
  const limit = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return {
    id,
    ...(of && { of }),
    ...(per && { per }),
    ...(Number.isSafeInteger(limit) && Number(limit) >= 0 && { value: Number(limit) }),
  };
}
