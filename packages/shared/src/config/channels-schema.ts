/** What the channels file may hold, kind by kind. What concerns several fields at once is looked at in `channels.ts`. */

import { z } from 'zod';
import { IMAGE_MIMES, LANES, MODELS, type Model, parseMicros } from '../domain/index.ts';
import { TENANT_NAME } from '../schemas/index.ts';

const CHANNELS_MAX = 64;
const NAMES_MAX = 10_000;

/** Where a secret lies. */
export const SECRET_REFERENCE = /^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/;
const SECRET_WORDS = 'env:NAME or file:PATH; a secret itself does not belong in this file';

/** What is said where something of another kind stands, or nothing: what to write. */
function written(what: string) {
  return {
    error: ({ code, input }: z.core.$ZodRawIssue) => {
      if (code !== 'invalid_type') return undefined;
      return input === undefined ? `is required: ${what}` : `must be ${what}`;
    },
  };
}

const credential = z.string(written(SECRET_WORDS)).max(1_024).regex(SECRET_REFERENCE, `must be ${SECRET_WORDS}`);

// YAML reads what looks like a number as one: `512`, `0.12`.
const text = (error: string) => z.union([z.string(), z.number()], { error }).transform(String);
const money = text('must be dollars such as "0.12"')
  .refine((value) => parseMicros(value) !== undefined, 'must be dollars such as "0.12"')
  .transform((value) => parseMicros(value) ?? 0);
const count = z.int(written('a whole number, 1 or more, such as 600, without quotes, commas or a unit')).min(1);

function someOf(offers: (model: Model) => readonly string[]) {
  const values = [...new Set(MODELS.flatMap(offers))];
  const error = `must be one of ${values.join(', ')}`;
  return text(error).refine((value) => values.includes(value), error);
}

const ModelLimits = z.strictObject(
  {
    rpm: count.optional(),
    ipm: count.optional(),
    tpm: count.optional(),
    rpd: count.optional(),
    day: z.enum(['pacific', 'rolling']).optional(),
    concurrency: count.optional(),
  },
  written('limits by name, such as { rpm: 600, rpd: 10000 }'),
);

const Capabilities = z.strictObject(
  {
    references: z.int().min(0).max(100).optional(),
    sizes: z
      .array(
        someOf(({ sizes }) => sizes),
        written('a list such as [1K, 2K]'),
      )
      .min(1)
      .optional(),
    ratios: z
      .array(
        someOf(({ aspectRatios }) => aspectRatios),
        written('a list such as ["1:1", "16:9"]'),
      )
      .optional(),
    mimes: z.array(z.enum(IMAGE_MIMES), written('a list such as [image/png, image/jpeg]')).optional(),
    thinking: z.boolean().optional(),
    seed: z.boolean().optional(),
    safety: z.boolean().optional(),
    tools: z.array(z.enum(['google_search']), written('a list such as [google_search], or []')).optional(),
    signatures: z.boolean().optional(),
  },
  written('what it can do, such as { references: 3, sizes: [1K, 2K] }'),
);
export type FileCapabilities = z.output<typeof Capabilities>;

const Price = z
  .strictObject(
    {
      per_image: z
        .record(
          someOf(({ sizes }) => sizes),
          money,
          written('dollars by size, such as { 1K: "0.12", 2K: "0.12" }'),
        )
        .optional(),
      factor: z
        .number(written('a number, such as 0.9 for nine tenths of the list price'))
        .positive('must be above 0')
        .max(1_000)
        .optional(),
    },
    written('{ per_image: { 1K: "0.12" } } or { factor: 0.9 }'),
  )
  .refine(({ per_image, factor }) => (per_image === undefined) !== (factor === undefined), {
    error: 'must have either per_image or factor',
  });

const Served = z.strictObject(
  {
    id: z.string().min(1).max(256).optional(),
    limits: ModelLimits.nullish(),
    price: Price.optional(),
    capabilities: Capabilities.nullish(),
  },
  written('{}, or what is said of it by name: id (as the provider calls it), limits, price, capabilities'),
);
export type FileModel = z.output<typeof Served>;

const ID_WORDS = '1 to 32 of a-z 0-9 -, in quotes when all of them are digits';

const common = {
  id: z.string(written(ID_WORDS)).regex(/^[a-z0-9-]{1,32}$/, `must be ${ID_WORDS}`),
  order: z.int().min(0).max(1_000).default(1),
  weight: z.number().min(0).max(1_000).default(1),
  limits: z
    .strictObject(
      { spend_per_10m: money.optional(), concurrency: count.optional() },
      written('limits by name, such as { spend_per_10m: "50", concurrency: 40 }'),
    )
    .nullish(),
  // Looked at one by one, so that each name is told with its own line.
  models: z
    .record(z.string(), Served.nullable(), written('models by name, such as { pro: {}, flash: {} }'))
    .refine((models) => Object.keys(models).length > 0, 'must name at least one model, such as "pro: {}"'),
  capabilities: Capabilities.nullish(),
  trust: z
    .strictObject(
      { references: z.boolean().optional(), cost: z.boolean().optional() },
      written('what it is trusted with, such as { references: true, cost: false }'),
    )
    .nullish(),
  lanes: z.array(z.enum(LANES), written('a list such as [standard, batch]')).min(1).optional(),
  base_url: z
    .string()
    .max(2_048)
    .refine(isBase, 'must be an http:// or https:// address without user, query or fragment')
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
};

const PROJECT_WORDS = 'the id of a project, such as "my-project-123"';
const slots = z.int().min(1).max(1_000).optional();
const enqueued = z.int().min(0).optional();
const apiKey = z.strictObject({ api_key: credential }, written('{ api_key: env:NAME } or { api_key: file:PATH }'));
const batchWords = written('what it may have under way, such as { slots: 80, enqueued_tokens: 2000000 }');
const oneOfThree = { error: 'must have exactly one of service_account, access_token, adc' };

/** By kind. */
export const CHANNEL_SCHEMAS = {
  gemini: z.strictObject({
    kind: z.literal('gemini'),
    ...common,
    credentials: apiKey,
    auth: z.enum(['api_key', 'bearer']).default('api_key'),
    batch: z.strictObject({ slots, enqueued_tokens: enqueued }, batchWords).nullish(),
  }),
  vertex: z.strictObject({
    kind: z.literal('vertex'),
    ...common,
    credentials: z
      .strictObject(
        {
          service_account: credential.optional(),
          access_token: credential.optional(),
          adc: z.literal(true).optional(),
        },
        written('one of { service_account: file:PATH }, { access_token: env:NAME }, { adc: true }'),
      )
      .refine((given) => Object.values(given).filter((value) => value !== undefined).length === 1, oneOfThree),
    // The number of a project will do as well.
    project: text(`must be ${PROJECT_WORDS}`).refine(
      (id) => /^[a-z0-9.:-]{1,128}$/.test(id),
      `must be ${PROJECT_WORDS}`,
    ),
    location: z
      .string()
      .max(64)
      .regex(
        /^(global|us|eu|[a-z]+-[a-z]+[0-9]+)$/,
        'must be a location of Vertex, such as global, us, eu, us-central1 or europe-west4',
      )
      .default('global'),
    batch: z
      .strictObject(
        {
          slots,
          enqueued_tokens: enqueued,
          bucket: z
            .string()
            .regex(/^gs:\/\/[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](\/[^\s]*)?$/, 'must be gs://bucket/prefix')
            .transform((url) => url.replace(/\/+$/, ''))
            .optional(),
        },
        written('such as { bucket: gs://bucket/prefix }'),
      )
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

const onOrOff = z
  .strictObject({ enabled: z.boolean(written('true or false')) }, written('{ enabled: true } or { enabled: false }'))
  .nullish();

const EXAMPLE = 'as darkroom.config.example.yaml does';

function fileError({ code, input }: z.core.$ZodRawIssue): string | undefined {
  if (code !== 'invalid_type') return undefined;
  return input === null
    ? `is empty: list a channel in it, ${EXAMPLE}`
    : `must begin with "channels:" and a list below it, ${EXAMPLE}`;
}

/** The whole file, its channels not yet looked into. */
export const ChannelsFile = z.strictObject(
  {
    channels: z
      .array(z.unknown(), written('a list, each channel of which begins with "- id: …"'))
      .min(1, 'must list at least one channel')
      .max(CHANNELS_MAX),
    tenants: z
      .record(
        names(TENANT_NAME, 'must be the name of a tenant: 1 to 63 of a-z 0-9 -'),
        z.strictObject(
          { weight: z.number().positive('must be above 0').max(1_000).default(1), ...perMinute },
          written('its share and bounds, such as { weight: 2, concurrency: 20 }'),
        ),
        written('tenants by name, such as { acme: { weight: 2 } }'),
      )
      .refine((record) => Object.keys(record).length <= NAMES_MAX, `must have at most ${NAMES_MAX} names`)
      .nullish(),
    keys: z
      .record(
        names(/^key_[A-Za-z0-9_-]{1,64}$/, 'must be the id of a key, "key_…", as GET /v1/keys lists it'),
        z.strictObject(
          { ...perMinute, submissions_per_minute: count.optional() },
          written('its bounds, such as { concurrency: 5, starts_per_minute: 60 }'),
        ),
        written('keys by id, such as { key_5f0c1e9a7b3d2468: { concurrency: 5 } }'),
      )
      .refine((record) => Object.keys(record).length <= NAMES_MAX, `must have at most ${NAMES_MAX} names`)
      .nullish(),
    hedge: onOrOff,
    placeholder: onOrOff,
  },
  { error: fileError },
);

function isBase(value: string): boolean {
  const url = URL.parse(value);
  if (!url || !/^https?:$/.test(url.protocol)) return false;
  return !url.username && !url.password && !url.search && !url.hash;
}
