/** The 429 bodies of the Gemini API, kind by kind. */
import type { Clock } from './clock.ts';
import { type Detail, detail, type Refusal } from './http/google-error.ts';

export const QUOTA_KINDS = [
  'quota_minute',
  'quota_day',
  'quota_day_free',
  'quota_minute_and_day',
  'quota_tokens',
  'quota_images',
  'quota_spend',
  'quota_bare',
  'quota_help_only',
  'quota_none',
  'quota_file_storage',
  'quota_cloud',
  'quota_vertex',
] as const;
export type QuotaKind = (typeof QUOTA_KINDS)[number];

type Violation = { metric: string; quotaId: string; value: number };
type Example = { model: string; retryMs?: number };

const SERVICE = 'generativelanguage.googleapis.com';
const LIMITS_PAGE = 'https://ai.google.dev/gemini-api/docs/rate-limits';
const MINUTE_MS = 60_000;
const CURRENT_QUOTA = 'You exceeded your current quota, please check your plan and billing details.';
const FOR_MORE =
  ` For more information on this error, head to: ${LIMITS_PAGE}.` +
  ' To monitor your current usage, head to: https://ai.dev/rate-limit. ';
const HELP = detail('Help', { links: [{ description: 'Learn more about Gemini API quotas', url: LIMITS_PAGE }] });
const TYPICAL_RETRY_MS = 34_074.824224;
const DAY_RETRY_MS = 6_776_409.571576;

type NamedLimit = { metric: string; quotaId: string };
/** A window whose refusals name it. */
export type NamedWindow = 'minute' | 'day' | 'tokens' | 'images';

/** The four limits counted per project and model. The images' names were never seen on the wire; theirs follow the others. */
const LIMITS: Readonly<Record<NamedWindow, NamedLimit>> = {
  minute: { metric: 'generate_requests_per_model', quotaId: 'GenerateRequestsPerMinutePerProjectPerModel' },
  day: { metric: 'generate_requests_per_model_per_day', quotaId: 'GenerateRequestsPerDayPerProjectPerModel' },
  tokens: {
    metric: 'generate_content_paid_tier_input_token_count',
    quotaId: 'GenerateContentInputTokensPerModelPerMinute',
  },
  images: { metric: 'generate_images_per_model', quotaId: 'GenerateImagesPerMinutePerProjectPerModel' },
};

const FREE_METRICS: Readonly<Record<NamedWindow, string>> = {
  minute: 'generate_content_free_tier_requests',
  day: 'generate_content_free_tier_requests',
  tokens: 'generate_content_free_tier_input_token_count',
  images: 'generate_content_free_tier_images',
};

/** `gemini` names the limit and says when to come back; `cloud` names it alone; `vertex` says nothing. */
export type RefusalForm = 'gemini' | 'cloud' | 'vertex';

type Over = { window: NamedWindow; limit: number; waitMs: number };
type Spoken = { form: RefusalForm; free: boolean; model: string; now: number; clock: Pick<Clock, 'outsideMs'> };

/** The refusal for windows that are full, the longest wait of them in the time of whoever waits. */
export function refusalFor(over: readonly Over[], { form, free, model, now, clock }: Spoken): Refusal {
  if (form === 'vertex') return VERTEX_EXHAUSTED;
  const violations = over.map(({ window, limit }) => ({
    ...(free ? freeLimit(window) : LIMITS[window]),
    value: limit,
  }));
  if (form === 'cloud') return cloudExhausted(model, violations[0] ?? { ...LIMITS.minute, value: 0 });
  // A free day's body tells of the next minute only.
  const waits = over.map(({ window, waitMs }) => (free && window === 'day' ? MINUTE_MS - (now % MINUTE_MS) : waitMs));
  const retryMs = Math.max(...waits);
  const outsideMs = clock.outsideMs(retryMs);
  // Google's whole seconds would make all waits of a quick clock one and the same.
  return violated(
    model,
    violations,
    outsideMs === retryMs ? { retryMs } : { retryMs: Math.ceil(outsideMs), exact: true },
  );
}

/** A refusal that names its violations and when to come back: in whole seconds, unless it must be `exact`. */
function violated(
  model: string,
  violations: readonly Violation[],
  { retryMs, exact = false }: { retryMs: number; exact?: boolean },
): Refusal {
  const lines = violations.map(
    ({ metric, value }) =>
      `* Quota exceeded for metric: ${SERVICE}/${metric}, limit: ${value}${model && `, model: ${model}`}`,
  );
  return exhausted(`${CURRENT_QUOTA}${FOR_MORE}\n${lines.join('\n')}\nPlease retry in ${spoken(retryMs)}.`, [
    detail('QuotaFailure', { violations: violations.map((violation) => toViolation(violation, model)) }),
    HELP,
    detail('RetryInfo', { retryDelay: `${exact ? retryMs / 1000 : Math.floor(retryMs / 1000)}s` }),
  ]);
}

/** The spend limit: a rolling ten minutes over all models, and no details. */
export const SPEND_EXHAUSTED = exhausted(
  'You exceeded your spend-based rate limit. ' +
    "Your spending rate has exceeded the allowed limit for your account's billing history and tier.",
);

/** Vertex shares what it has among all its users, and says neither whose share is used up nor for how long. */
export const VERTEX_EXHAUSTED = exhausted(
  'Resource exhausted. Please try again later. Please refer to ' +
    'https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.',
);

/** An example of each kind, as a fault script asks for it. */
export const QUOTA_REFUSALS: Readonly<Record<QuotaKind, (example: Example) => Refusal>> = {
  quota_minute: ({ model, retryMs = TYPICAL_RETRY_MS }) =>
    violated(model, [{ ...LIMITS.minute, value: 10 }], { retryMs }),
  quota_day: ({ model, retryMs = DAY_RETRY_MS }) => violated(model, [{ ...LIMITS.day, value: 100 }], { retryMs }),
  // A free day's body may carry a short delay: only the quota's name tells how long it really lasts.
  quota_day_free: ({ model, retryMs = 41_000 }) => violated(model, [{ ...freeLimit('day'), value: 100 }], { retryMs }),
  quota_minute_and_day: ({ model, retryMs = DAY_RETRY_MS }) =>
    violated(
      model,
      [
        { ...LIMITS.minute, value: 10 },
        { ...LIMITS.day, value: 100 },
      ],
      { retryMs },
    ),
  quota_tokens: ({ model, retryMs = TYPICAL_RETRY_MS }) =>
    violated(model, [{ ...LIMITS.tokens, value: 1_000_000 }], { retryMs }),
  quota_images: ({ model, retryMs = TYPICAL_RETRY_MS }) =>
    violated(model, [{ ...LIMITS.images, value: 10 }], { retryMs }),
  quota_spend: () => SPEND_EXHAUSTED,
  quota_bare: () => exhausted('Resource has been exhausted (e.g. check quota).'),
  quota_help_only: () => exhausted(CURRENT_QUOTA + FOR_MORE, [HELP]),
  quota_none: ({ model, retryMs = 41_000 }) => violated(model, [{ ...freeLimit('day'), value: 0 }], { retryMs }),
  quota_file_storage: ({ model, retryMs = TYPICAL_RETRY_MS }) =>
    violated(model, [storage(21_474_836_480)], { retryMs }),
  quota_cloud: ({ model }) =>
    cloudExhausted(model, {
      metric: 'generate_content_requests',
      quotaId: 'GenerateContentRequestsPerMinutePerProjectPerModel',
      value: 60,
    }),
  quota_vertex: () => VERTEX_EXHAUSTED,
};

/** The refusal of an upload for which a project has no room. */
export function storageExhausted(limitBytes: number): Refusal {
  return violated('', [storage(limitBytes)], { retryMs: TYPICAL_RETRY_MS });
}

function storage(value: number): Violation {
  return { metric: 'file_storage_bytes', quotaId: 'FileStorageBytesPerProject', value };
}

function exhausted(message: string, details?: Detail[]): Refusal {
  return { http: 429, status: 'RESOURCE_EXHAUSTED', message, ...(details && { details }) };
}

function toViolation({ metric, quotaId, value }: Violation, model: string): Record<string, unknown> {
  return {
    quotaMetric: `${SERVICE}/${metric}`,
    quotaId,
    quotaDimensions: { location: 'global', ...(model && { model }) },
    quotaValue: String(value),
  };
}

function freeLimit(window: NamedWindow): NamedLimit {
  return { metric: FREE_METRICS[window], quotaId: `${LIMITS[window].quotaId}-FreeTier` };
}

function cloudExhausted(model: string, { metric, quotaId, value }: Violation): Refusal {
  const info = detail('ErrorInfo', {
    reason: 'RATE_LIMIT_EXCEEDED',
    domain: 'googleapis.com',
    metadata: {
      quota_limit: quotaId,
      quota_limit_value: String(value),
      quota_location: 'global',
      quota_metric: `${SERVICE}/${metric}`,
      consumer: 'projects/123456789012',
      service: SERVICE,
      model,
    },
  });
  return exhausted('Resource has been exhausted (e.g. check quota).', [info, HELP]);
}

/** As Google writes a span: `34.07s`, `1h52m56.4s`. */
function spoken(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Number(((ms % 60_000) / 1000).toFixed(9));
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}
