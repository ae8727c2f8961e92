/** What can be turned while the emulator runs. */
import { z } from 'zod';
import { FaultRules } from './faults/rules.ts';

const MIB = 1024 * 1024;
const limit = z.number().int().min(0).optional();
const probability = z.number().min(0).max(1);

const LIMITS = {
  /** Requests per minute, per model. */
  rpm: limit,
  /** Images per minute, per model. */
  ipm: limit,
  /** Prompt tokens per minute, per model. */
  tpm: limit,
  /** Requests per day, per model. */
  rpd: limit,
  /** Calls in flight, per model. */
  concurrency: limit,
};
const Limits = z.strictObject(LIMITS);
export type Limits = z.infer<typeof Limits>;

/** Limits of one project. Those left out do not exist. */
export const Quotas = z.strictObject({
  ...LIMITS,
  /** Limits of single models, by id, in place of those above. */
  models: z.record(z.string(), Limits).default({}),
  /** Micro-dollars per rolling ten minutes, over all models. */
  spend_micros: limit,
  /** A day ends at midnight Pacific, as Google's does, or 24 hours after each call. */
  day: z.enum(['pacific', 'rolling']).default('pacific'),
  /** Refusals of the free tier name it, and those of its day ask for a minute's patience. */
  tier: z.enum(['paid', 'free']).default('paid'),
  /** How refusals are written; none = as the API that was called writes them. */
  form: z.enum(['gemini', 'cloud', 'vertex']).optional(),
  /** All keys share one project, or each key's part before its first `.` names one. */
  project: z.enum(['global', 'key_prefix']).default('global'),
});
export type Quotas = z.infer<typeof Quotas>;

const HOUR_MS = 3_600_000;
const GIB = 1024 ** 3;
const span = z
  .number()
  .int()
  .min(0)
  .max(366 * 24 * HOUR_MS);
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** The Files API. What is left out is as Google documents it. */
const FileSettings = z.strictObject({
  /** Room of one project for what it uploads. */
  storage_bytes: bytes.default(20 * GIB),
  /** The largest file. */
  file_bytes: bytes.default(2 * GIB),
  /** An upload is PROCESSING for so long before it is ACTIVE. */
  processing_ms: span.default(0),
  /** A file is gone after so long. */
  life_ms: span.default(48 * HOUR_MS),
  /** Begins the address that chunks are sent to, as another host would; none = the emulator's own. */
  upload_origin: z.url().optional(),
});

/** The Batch API. What is left out is as Google documents it, or as it was seen. */
export const BatchSettings = z.strictObject({
  /** Half of all batches take no longer, from their creation to their end. */
  turnaround_ms: span.default(8 * 60_000),
  /** Sigma of the logarithm of a turnaround; 0 = all take the same. */
  spread: z.number().min(0).max(3).default(0.5),
  /** One that is not over by then expires. */
  life_ms: span.default(48 * HOUR_MS),
  /** Batches of one project that are not over. */
  jobs_max: z.number().int().min(0).default(100),
  /** Prompt tokens of one project in batches that are not over, per model; none = as many as they like. */
  enqueued_tokens: z.union([limit, z.record(z.string(), z.number().int().min(0))]),
  /** An answer that would carry more output than this is never given: 503. */
  inline_output_bytes: bytes.default(1_100_000_000),
  /** Inline answers carry the metadata of their requests. */
  inline_metadata: z.boolean().default(false),
  /** Lines of an output come in another order than those of its input. */
  shuffle: z.boolean().default(true),
});

const OpenRouterSettings = z.strictObject({
  /** What is charged, as a factor on the model's own price. */
  markup: z.number().min(0).max(100).default(1),
  /** Micro-dollars a project can spend before it is refused with a 402; none = no end of them. */
  credits_micros: limit,
  /** Models, as their callers name them, that answer a chat with a 500. */
  image_only: z.array(z.string()).default([]),
});

/** Relays: what they do to the answers they pass on, and what they ask for them. */
const RelaySettings = z.strictObject({
  /** Thought signatures are passed on. */
  signatures: z.boolean().default(false),
  usage: z.boolean().default(true),
  /** An answer without an image has `parts: null`. */
  null_parts: z.boolean().default(true),
  /** Errors of `/v1/images` are written as OpenAI writes them, or as relays write theirs. */
  envelope: z.enum(['openai', 'relay']).default('openai'),
  /** Every image comes as a PNG. */
  png: z.boolean().default(false),
  /** Micro-dollars of each answer with an image, whatever it took; none = the model's own price. */
  price_micros: limit,
});

const VertexSettings = z.strictObject({
  /** A token is good for so long. */
  token_life_ms: span.default(HOUR_MS),
  /** Where objects of `gs://` are looked up, on this machine; none = they are taken as found. */
  gcs_endpoint: z.url().optional(),
});

/** A few calls take much longer than the others. */
const Tail = z.strictObject({
  /** Of all calls. */
  share: probability.default(0),
  /** On their latency. */
  factor: z.number().min(1).max(1000).default(10),
});

/** Factor on the models' typical latencies; 0 = answer at once. */
const latency = z.number().min(0).max(100);

/** What one project has of its own. */
const ProjectSettings = z.strictObject({
  quotas: Quotas.optional(),
  latency: latency.optional(),
  tail: Tail.optional(),
  batches: BatchSettings.optional(),
  /** They come before those of the common script. */
  faults: FaultRules.optional(),
  openrouter: OpenRouterSettings.optional(),
  relay: RelaySettings.optional(),
  vertex: VertexSettings.optional(),
});

export const Settings = z.strictObject({
  latency,
  tail: Tail,
  /** `full`: realistic weight. `tiny`: as small as the picture allows. `fast`: one picture for each size and ratio. */
  render: z.enum(['full', 'tiny', 'fast']),
  /** No side of a picture has more pixels than this, whatever was asked for; `real` = the size that was asked for. */
  longest_side: z.union([z.literal('real'), z.number().int().min(16).max(12_288)]),
  /** Exact weight of each image; `auto` = as `render` says. */
  image_bytes: z.union([
    z.literal('auto'),
    z
      .number()
      .int()
      .min(0)
      .max(20 * MIB),
  ]),
  /** Weight of each thought signature before base64; `realistic` = 0.8 to 2.2 MB. */
  signature_bytes: z.union([
    z.literal('realistic'),
    z
      .number()
      .int()
      .min(32)
      .max(4 * MIB),
  ]),
  /** Share of answers that carry interim images before the result. */
  drafts: probability,
  /** Share of answers that carry words beside the image, when words are wanted. */
  text: probability,
  /** A model's image sent back without its signature is refused. */
  strict_signatures: z.boolean(),
  /** An image whose caller went away is made and charged all the same, as Google does. */
  bill_abandoned: z.boolean(),
  /** Calls wait, accepted, until they are released. */
  hold: z.boolean(),
  quotas: Quotas,
  /** Milliseconds of quotas, files, batches and webhooks that pass in each real one; 0 = only when told to. */
  clock_scale: z.number().min(0).max(1_000_000),
  files: FileSettings,
  batches: BatchSettings,
  openrouter: OpenRouterSettings,
  relay: RelaySettings,
  vertex: VertexSettings,
  /** By the name in their keys, tokens or paths. */
  projects: z.record(z.string().regex(/^[\w-]{1,64}$/), ProjectSettings),
});
export type Settings = z.infer<typeof Settings>;

/** Changes to settings: what is left out stays as it is; a group of them, as `quotas`, is replaced as a whole. */
export const SettingsPatch = Settings.partial();
export type SettingsPatch = z.input<typeof SettingsPatch>;

/** Made for tests: at once, small, and nothing by chance. */
export const QUIET: Settings = {
  latency: 0,
  tail: Tail.parse({}),
  render: 'tiny',
  longest_side: 'real',
  image_bytes: 'auto',
  signature_bytes: 4096,
  drafts: 0,
  text: 0,
  strict_signatures: true,
  bill_abandoned: true,
  hold: false,
  quotas: Quotas.parse({}),
  clock_scale: 1,
  files: FileSettings.parse({}),
  batches: BatchSettings.parse({}),
  openrouter: OpenRouterSettings.parse({}),
  relay: RelaySettings.parse({}),
  vertex: VertexSettings.parse({}),
  projects: {},
};

/** Made for people and measurements: as slow, as heavy and as moody as the real thing. */
export const LIFELIKE: Settings = {
  ...QUIET,
  latency: 1,
  render: 'full',
  signature_bytes: 'realistic',
  drafts: 0.07,
  text: 0.1,
};
