/**
 * The one create call of a chunk, which costs money and cannot be repeated safely. Pure.
 *
 * `creating` is left in three ways only: by the call's answer, by a list that shows the batch, or, after lists that do
 * not show it for long enough, by one more intent. Whoever writes an intent makes that one call; nobody else does.
 */

import type { EpochMs } from './job.ts';
import type { CreateIntent, ProviderBatch } from './provider-batch.ts';
import { alarm, dropping, endedBy, next, waitsUntil } from './provider-batch-steps-next.ts';
import type { Verdict } from './verdict.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A provider that shows no batch this often, over the time the rules say, has none. */
const EMPTY_LISTS_MIN = 3;
/** Intents of one chunk; behind each but the first lie lists that showed nothing. */
const CREATES_MAX = 4;
const BACKOFF_MS = 30_000;
const BACKOFF_MS_MAX = 10 * MINUTE_MS;
const LIMIT_MS = 5 * MINUTE_MS;
const LIMIT_MS_MAX = HOUR_MS;

export type BatchRules = {
  /** After this a create call is over, answered or not. */
  createMs: number;
  /** Empty lists must span this before a create call is made again; each time twice as long. */
  recreateAfterMs: number;
  /** Own deadline of a chunk, from its planning and again from its submission. */
  lifeMs: number;
};

type Rejected = Extract<Verdict, { type: 'rejected' }>;

/** Leave to make one create call, for whoever writes this. */
export function intendCreate(batch: ProviderBatch, rules: BatchRules, now: EpochMs): ProviderBatch | undefined {
  if (!batch.input || now >= batch.rescueAt) return undefined;
  const again = batch.state === 'creating' && batch.creates.length < CREATES_MAX && isAbsent(batch, rules);
  if (batch.state !== 'sealed' && !again) return undefined;
  const intent: CreateIntent = { at: now, emptyLists: 0 };
  return next(batch, {
    state: 'creating',
    creates: [...batch.creates, intent],
    dueAt: now + rules.createMs,
    ...(again && alarm(batch, `created again: no list showed it (${batch.creates.length})`)),
  });
}

/** Every call is over, and lists that came after the last one have shown nothing for long enough. */
function isAbsent({ creates }: ProviderBatch, rules: BatchRules): boolean {
  const last = creates.at(-1);
  if (!last?.lastListAt || last.emptyLists < EMPTY_LISTS_MIN) return false;
  return last.lastListAt - overAt(last, rules) >= rules.recreateAfterMs * 2 ** (creates.length - 1);
}

/** From when on a list would show what the call made. */
export function overAt({ at, endedAt }: CreateIntent, { createMs }: BatchRules): EpochMs {
  return endedAt ?? at + createMs;
}

/** Somebody may be waiting for the answer of a create call, to note it in the record as it is now. */
export function isCallOut({ state, creates }: ProviderBatch, { createMs }: BatchRules, now: EpochMs): boolean {
  const last = creates.at(-1);
  return state === 'creating' && last?.endedAt === undefined && now < (last?.at ?? 0) + createMs;
}

/** The provider told the name of what `intent` (the time of the create call) made. */
export function created(
  batch: ProviderBatch,
  name: string,
  rules: BatchRules,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'creating') return undefined;
  return submitted(batch, { name, createdAt: now }, rules, now);
}

/** Known to be at the provider, under that name. */
export function submitted(
  batch: ProviderBatch,
  { name, createdAt }: { name: string; createdAt: EpochMs },
  { lifeMs }: BatchRules,
  now: EpochMs,
): ProviderBatch {
  const submittedAt = madeAt(batch, createdAt, now);
  // Whatever was said to, or of, another batch of this name does not hold for this one.
  return next(dropping(batch, 'cancelAskedAt', 'cancelAgainAt', 'unseen', 'providerState'), {
    state: 'submitted',
    providerName: name,
    submittedAt,
    rescueAt: Math.min(batch.rescueAt, submittedAt + lifeMs),
    dueAt: now,
    troubles: 0,
  });
}

/**
 * When a batch was made, by our clock: not before the first call, whatever the provider's says.
 *
 * @param createdAt as the provider tells it; 0 = it does not: then by the last call that may have made it
 */
export function madeAt({ creates }: Pick<ProviderBatch, 'creates'>, createdAt: EpochMs, now: EpochMs): EpochMs {
  const at = createdAt || (creates.at(-1)?.at ?? now);
  return Math.min(now, Math.max(at, creates[0]?.at ?? at));
}

/**
 * The provider refused to make the batch.
 *
 * A 5xx says nothing certain: that call counts as one whose end nobody saw. What later tries cannot mend ends the chunk;
 * a refused key keeps it waiting, because the key may be mended and nothing is spent meanwhile.
 */
export function createRefused(
  batch: ProviderBatch,
  verdict: Rejected,
  now: EpochMs,
  random: () => number,
): ProviderBatch | undefined {
  if (batch.state !== 'creating') return undefined;
  // An earlier call of this chunk may have worked: only lists can tell, whatever the last answer was.
  if (verdict.http >= 500 || batch.creates.length > 1) return createUnknown(batch, now);
  const why = `create was refused (${verdict.http} ${verdict.code}${verdict.message ? `: ${verdict.message}` : ''})`;
  if (!verdict.retryable && !verdict.channelDown) {
    const ended = endedBy(batch, 'failed', why.slice(0, 500), now);
    return { ...ended, end: { type: 'failed', at: now, ...ended.end, code: verdict.code } };
  }
  const troubles = batch.troubles + 1;
  const [first, most] = verdict.limit ? [LIMIT_MS, LIMIT_MS_MAX] : [BACKOFF_MS, BACKOFF_MS_MAX];
  const least = Math.min(most, first * 2 ** Math.min(troubles - 1, 10));
  const until = now + Math.round(Math.max(verdict.retryAfterMs ?? 0, least) * (1 + random() / 2));
  return next(batch, {
    state: 'sealed',
    creates: [],
    troubles,
    dueAt: waitsUntil({ ...batch, state: 'sealed' }, until),
    ...(verdict.limit && { refusedUntil: until }),
    ...(verdict.channelDown && alarm(batch, why)),
  });
}

/** Nobody saw how the create call ended: it is looked for, and not made again before that. */
export function createUnknown(batch: ProviderBatch, now: EpochMs): ProviderBatch | undefined {
  const last = batch.creates.at(-1);
  if (batch.state !== 'creating' || !last || last.endedAt !== undefined) return undefined;
  return next(batch, { creates: [...batch.creates.slice(0, -1), { ...last, endedAt: now }], dueAt: now });
}

/** Nothing was ever seen of it, and nothing more is to be tried: perhaps it was made, perhaps not. */
export function isGivenUp(batch: ProviderBatch, rules: BatchRules, now: EpochMs): boolean {
  return (now >= batch.rescueAt || batch.creates.length >= CREATES_MAX) && isAbsent(batch, rules);
}
