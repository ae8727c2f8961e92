/** The 429 bodies of the Gemini API, kind by kind. */
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
] as const;
export type QuotaKind = (typeof QUOTA_KINDS)[number];

export type Violation = { metric: string; quotaId: string; value: number };
type Example = { model: string; retryMs?: number };

const SERVICE = 'generativelanguage.googleapis.com';
const LIMITS_PAGE = 'https://ai.google.dev/gemini-api/docs/rate-limits';
const CURRENT_QUOTA = 'You exceeded your current quota, please check your plan and billing details.';
const FOR_MORE =
  ` For more information on this error, head to: ${LIMITS_PAGE}.` +
  ' To monitor your current usage, head to: https://ai.dev/rate-limit. ';
const HELP = detail('Help', { links: [{ description: 'Learn more about Gemini API quotas', url: LIMITS_PAGE }] });
const TYPICAL_RETRY_MS = 34_074.824224;
const DAY_RETRY_MS = 6_776_409.571576;

/** The four limits counted per project and model. The images' names were never seen on the wire; theirs follow the others. */
export const LIMITS = {
  minute: { metric: 'generate_requests_per_model', quotaId: 'GenerateRequestsPerMinutePerProjectPerModel' },
  day: { metric: 'generate_requests_per_model_per_day', quotaId: 'GenerateRequestsPerDayPerProjectPerModel' },
  tokens: {
    metric: 'generate_content_paid_tier_input_token_count',
    quotaId: 'GenerateContentInputTokensPerModelPerMinute',
  },
  images: { metric: 'generate_images_per_model', quotaId: 'GenerateImagesPerMinutePerProjectPerModel' },
} as const;

/** A refusal that names its violations and when to come back. */
export function violated(model: string, violations: Violation[], retryMs: number): Refusal {
  const lines = violations.map(
    ({ metric, value }) =>
      `* Quota exceeded for metric: ${SERVICE}/${metric}, limit: ${value}${model && `, model: ${model}`}`,
  );
  return exhausted(`${CURRENT_QUOTA}${FOR_MORE}\n${lines.join('\n')}\nPlease retry in ${spoken(retryMs)}.`, [
    detail('QuotaFailure', { violations: violations.map((violation) => toViolation(violation, model)) }),
    HELP,
    detail('RetryInfo', { retryDelay: `${Math.floor(retryMs / 1000)}s` }),
  ]);
}

/** The spend limit: a rolling ten minutes over all models, and no details. */
export const SPEND_EXHAUSTED = exhausted(
  'You exceeded your spend-based rate limit. ' +
    "Your spending rate has exceeded the allowed limit for your account's billing history and tier.",
);

/** An example of each kind, as a fault script asks for it. */
export const QUOTA_REFUSALS: Readonly<Record<QuotaKind, (example: Example) => Refusal>> = {
  quota_minute: ({ model, retryMs = TYPICAL_RETRY_MS }) => violated(model, [{ ...LIMITS.minute, value: 10 }], retryMs),
  quota_day: ({ model, retryMs = DAY_RETRY_MS }) => violated(model, [{ ...LIMITS.day, value: 100 }], retryMs),
  // A free day's body may carry a short delay: only the quota's name tells how long it really lasts.
  quota_day_free: ({ model, retryMs = 41_000 }) => violated(model, [freeDay(100)], retryMs),
  quota_minute_and_day: ({ model, retryMs = DAY_RETRY_MS }) =>
    violated(
      model,
      [
        { ...LIMITS.minute, value: 10 },
        { ...LIMITS.day, value: 100 },
      ],
      retryMs,
    ),
  quota_tokens: ({ model, retryMs = TYPICAL_RETRY_MS }) =>
    violated(model, [{ ...LIMITS.tokens, value: 1_000_000 }], retryMs),
  quota_images: ({ model, retryMs = TYPICAL_RETRY_MS }) => violated(model, [{ ...LIMITS.images, value: 10 }], retryMs),
  quota_spend: () => SPEND_EXHAUSTED,
  quota_bare: () => exhausted('Resource has been exhausted (e.g. check quota).'),
  quota_help_only: () => exhausted(CURRENT_QUOTA + FOR_MORE, [HELP]),
  quota_none: ({ model, retryMs = 41_000 }) => violated(model, [freeDay(0)], retryMs),
  quota_file_storage: ({ model, retryMs = TYPICAL_RETRY_MS }) => violated(model, [storage(21_474_836_480)], retryMs),
  quota_cloud: ({ model }) => exhausted('Resource has been exhausted (e.g. check quota).', [cloudInfo(model), HELP]),
};

/** The refusal of an upload for which a project has no room. */
export function storageExhausted(limitBytes: number): Refusal {
  return violated('', [storage(limitBytes)], TYPICAL_RETRY_MS);
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

function freeDay(value: number): Violation {
  return {
    metric: 'generate_content_free_tier_requests',
    quotaId: 'GenerateRequestsPerDayPerProjectPerModel-FreeTier',
    value,
  };
}

function cloudInfo(model: string): Detail {
  return detail('ErrorInfo', {
    reason: 'RATE_LIMIT_EXCEEDED',
    domain: 'googleapis.com',
    metadata: {
      quota_limit: 'GenerateContentRequestsPerMinutePerProjectPerModel',
      quota_limit_value: '60',
      quota_location: 'global',
      quota_metric: `${SERVICE}/generate_content_requests`,
      consumer: 'projects/123456789012',
      service: SERVICE,
      model,
    },
  });
}

/** As Google writes a span: `34.07s`, `1h52m56.4s`. */
function spoken(ms: number): string {
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = Number(((ms % 60_000) / 1000).toFixed(9));
  return `${hours ? `${hours}h` : ''}${hours || minutes ? `${minutes}m` : ''}${seconds}s`;
}
