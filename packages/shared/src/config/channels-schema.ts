/** What the channels file may hold, kind by kind. What concerns several fields at once is looked at in `channels.ts`. */

import { z } from 'zod';
import { IMAGE_MIMES, LANES, MODELS, type Model, parseMicros } from '../domain/index.ts';
import { TENANT_NAME } from '../schemas/index.ts';

const CHANNELS_MAX = 64;
const NAMES_MAX = 10_000;

/** Where a secret lies. */
export const SECRET_REFERENCE = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/;
const credential = z
  .string()
  .max(1_024)
  .regex(SECRET_REFERENCE, 'must be env:NAME or file:PATH; a secret itself does not belong in this file');

// YAML reads what looks like a number as one: `512`, `0.12`.
const text = (error: string) => z.union([z.string(), z.number()], { error }).transform(String);
const money = text('must be dollars such as "0.12"')
  .refine((value) => parseMicros(value) !== undefined, 'must be dollars such as "0.12"')
  .transform((value) => parseMicros(value) ?? 0);
const count = z.int().min(1);

function someOf(offers: (model: Model) => readonly string[]) {
  const values = [...new Set(MODELS.flatMap(offers))];
  const error = `must be one of ${values.join(', ')}`;
  return text(error).refine((value) => values.includes(value), error);
}

const ModelLimits = z.strictObject({
  rpm: count.optional(),
  ipm: count.optional(),
  tpm: count.optional(),
  rpd: count.optional(),
  day: z.enum(['pacific', 'rolling']).optional(),
  concurrency: count.optional(),
});

const Capabilities = z.strictObject({
  references: z.int().min(0).max(100).optional(),
  sizes: z
    .array(someOf(({ sizes }) => sizes))
    .min(1)
    .optional(),
  ratios: z.array(someOf(({ aspectRatios }) => aspectRatios)).optional(),
  mimes: z.array(z.enum(IMAGE_MIMES)).optional(),
  thinking: z.boolean().optional(),
  seed: z.boolean().optional(),
  safety: z.boolean().optional(),
  tools: z.array(z.enum(['google_search'])).optional(),
  signatures: z.boolean().optional(),
});
export type FileCapabilities = z.output<typeof Capabilities>;

const Price = z
  .strictObject({
    per_image: z
      .record(
        someOf(({ sizes }) => sizes),
        money,
      )
      .optional(),
    factor: z.number().positive('must be above 0').max(1_000).optional(),
  })
  .refine(({ per_image, factor }) => (per_image === undefined) !== (factor === undefined), {
    error: 'must have either per_image or factor',
  });

const Served = z.strictObject({
  id: z.string().min(1).max(256).optional(),
  limits: ModelLimits.nullish(),
  price: Price.optional(),
  capabilities: Capabilities.nullish(),
});
export type FileModel = z.output<typeof Served>;

const common = {
  id: z.string().regex(/^[a-z0-9-]{1,32}$/, 'must be 1 to 32 of a-z 0-9 -'),
  order: z.int().min(0).max(1_000).default(1),
  weight: z.number().min(0).max(1_000).default(1),
  limits: z.strictObject({ spend_per_10m: money.optional(), concurrency: count.optional() }).nullish(),
  // Looked at one by one, so that each name is told with its own line.
  models: z
    .record(z.string(), Served.nullable())
    .refine((models) => Object.keys(models).length > 0, 'must name at least one model, such as "pro: {}"'),
  capabilities: Capabilities.nullish(),
  trust: z.strictObject({ references: z.boolean().optional(), cost: z.boolean().optional() }).nullish(),
  lanes: z.array(z.enum(LANES)).min(1).optional(),
  base_url: z
    .string()
    .max(2_048)
    .refine(isBase, 'must be an http:// or https:// address without user, query or fragment')
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
};

const slots = z.int().min(1).max(1_000).optional();
const enqueued = z.int().min(0).optional();
const apiKey = z.strictObject({ api_key: credential });
const oneOfThree = { error: 'must have exactly one of service_account, access_token, adc' };

/** By kind. */
export const CHANNEL_SCHEMAS = {
  gemini: z.strictObject({
    kind: z.literal('gemini'),
    ...common,
    credentials: apiKey,
    auth: z.enum(['api_key', 'bearer']).default('api_key'),
    batch: z.strictObject({ slots, enqueued_tokens: enqueued }).nullish(),
  }),
  vertex: z.strictObject({
    kind: z.literal('vertex'),
    ...common,
    credentials: z
      .strictObject({
        service_account: credential.optional(),
        access_token: credential.optional(),
        adc: z.literal(true).optional(),
      })
      .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 1, oneOfThree),
    project: z.string().regex(/^[a-z0-9.:-]{1,128}$/, 'must be the id of a project, such as "my-project-123"'),
    location: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'must be a location such as "global" or "europe-west4"')
      .default('global'),
    batch: z
      .strictObject({
        slots,
        enqueued_tokens: enqueued,
        bucket: z
          .string()
          .regex(/^gs:\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](\/[^\s]*)?$/, 'must be gs://bucket/prefix')
          .transform((url) => url.replace(/\/+$/, ''))
          .optional(),
      })
      .nullish(),
  }),
  openrouter: z.strictObject({
    kind: z.literal('openrouter'),
    ...common,
    credentials: apiKey,
    shape: z.enum(['chat', 'images']).default('chat'),
  }),
  openai: z.strictObject({ kind: z.literal('openai'), ...common, credentials: apiKey }),
} as const;

export type FileChannel = z.output<(typeof CHANNEL_SCHEMAS)[keyof typeof CHANNEL_SCHEMAS]>;

const perMinute = { concurrency: count.optional(), starts_per_minute: count.optional() };
const names = (pattern: RegExp, error: string) => z.string().regex(pattern, error);

/** The whole file, its channels not yet looked into. */
export const ChannelsFile = z.strictObject({
  channels: z.array(z.unknown()).min(1, 'must list at least one channel').max(CHANNELS_MAX),
  tenants: z
    .record(
      names(TENANT_NAME, 'must be the name of a tenant: 1 to 63 of a-z 0-9 -'),
      z.strictObject({ weight: z.number().positive('must be above 0').max(1_000).default(1), ...perMinute }),
    )
    .refine((record) => Object.keys(record).length <= NAMES_MAX, `must have at most ${NAMES_MAX} names`)
    .nullish(),
  keys: z
    .record(
      names(/^key_[A-Za-z0-9_-]{1,64}$/, 'must be the id of a key, "key_…", as GET /v1/keys lists it'),
      z.strictObject({ ...perMinute, submissions_per_minute: count.optional() }),
    )
    .refine((record) => Object.keys(record).length <= NAMES_MAX, `must have at most ${NAMES_MAX} names`)
    .nullish(),
  hedge: z.strictObject({ enabled: z.boolean() }).nullish(),
  placeholder: z.strictObject({ enabled: z.boolean() }).nullish(),
});

function isBase(value: string): boolean {
  const url = URL.parse(value);
  if (!url || !/^https?:$/.test(url.protocol)) return false;
  return !url.username && !url.password && !url.search && !url.hash;
}
