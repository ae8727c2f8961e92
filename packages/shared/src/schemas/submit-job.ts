/** The body of `POST /v1/jobs` and `PUT /v1/jobs/{id}`. */

import { z } from 'zod';
import { DEFAULT_MODEL, LANES, MODELS, type Model, ON_UNKNOWN_OUTCOME, REFERENCE_ROLES } from '../domain/index.ts';
import { OWN_TYPES } from './event-types.ts';
import { ownWebhook } from './own-webhook.ts';
import { durationSchema, instantSchema, moneySchema } from './primitives.ts';
import { RoutingBody } from './routing.ts';

export const PROMPT_MAX = 20_000;
export const REFERENCES_MAX = 14;

const SAFETY_CATEGORIES = [
  'HARM_CATEGORY_HARASSMENT',
  'HARM_CATEGORY_HATE_SPEECH',
  'HARM_CATEGORY_SEXUALLY_EXPLICIT',
  'HARM_CATEGORY_DANGEROUS_CONTENT',
] as const;
const SAFETY_THRESHOLDS = [
  'OFF',
  'BLOCK_NONE',
  'BLOCK_ONLY_HIGH',
  'BLOCK_MEDIUM_AND_ABOVE',
  'BLOCK_LOW_AND_ABOVE',
] as const;

/** What some model offers, for whoever sends what none could; what each one offers is asked once the model is known. */
function someOf(offers: (model: Model) => readonly string[]): { error: string } {
  const values = new Set(MODELS.flatMap(offers));
  return { error: `must be one of ${[...values].toSorted(byPixels).join(', ')}` };
}

/** `512` before `1K`; ratios, of which each has two numbers, stay as they are. */
function byPixels(a: string, b: string): number {
  return pixelsOf(a) - pixelsOf(b) || 0;
}

function pixelsOf(size: string): number {
  return size.endsWith('K') ? Number.parseInt(size, 10) * 1_024 : Number(size);
}

const SOURCES = ['asset', 'url', 'gcs_uri', 'image', 'data'] as const;

export const ReferenceBody = z
  .strictObject({
    asset: z
      .string()
      .regex(/^ast_[0-9a-f]{64}$/, 'must be an asset id such as "ast_…"')
      .optional()
      .meta({ description: 'An upload: the id that POST /v1/assets answered with.' }),
    url: z.string().max(2_048).optional().meta({ description: 'Fetched once, when the job is submitted.' }),
    gcs_uri: z
      .string()
      .max(1_024)
      .regex(/^gs:\/\/[a-z0-9._-]+\/.+/, 'must be a gs://bucket/name uri')
      .optional()
      .meta({ description: 'An object of a bucket that the installation lets callers name.' }),
    image: z
      .string()
      .max(256)
      .regex(/^img_/, 'must be the id of an earlier image, "img_…"')
      .optional()
      .meta({ description: 'An image that one of your jobs made.' }),
    data: z
      .string()
      .regex(/^data:image\/[a-z+.-]+;base64,/, 'must be a data URI such as "data:image/png;base64,…"')
      .optional()
      .meta({ description: 'The image itself, as a data URI.' }),
    name: z.string().trim().min(1).max(64).optional().meta({ description: 'What the prompt calls it.' }),
    role: z
      .enum(REFERENCE_ROLES)
      .optional()
      .meta({ description: 'What it is a reference for; models limit how many of a role they take.' }),
  })
  .refine((reference) => SOURCES.filter((source) => reference[source] !== undefined).length === 1, {
    message: `must have exactly one of ${SOURCES.join(', ')}`,
  })
  .meta({ id: 'Reference', description: 'A reference image, by exactly one of its sources.' });
export type ReferenceBody = z.output<typeof ReferenceBody>;

export const SubmitJobBody = z
  .strictObject({
    prompt: z
      .string()
      .max(PROMPT_MAX, `must have at most ${PROMPT_MAX} characters`)
      .refine((text) => text.trim().length > 0, 'must not be empty')
      .refine((text) => text.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')
      .meta({ description: 'What the image shows.', examples: ['a red mug on an oak table'] }),
    model: z
      .string()
      .min(1)
      .max(128)
      .default(DEFAULT_MODEL)
      .meta({ description: 'A model id or alias of GET /v1/models.' }),
    size: z
      .string(someOf(({ sizes }) => sizes))
      .min(1)
      .max(8)
      .optional()
      .meta({
        description: 'How large; what the model offers and takes by default is in GET /v1/models.',
        examples: ['1K', '2K', '4K'],
      }),
    aspect_ratio: z
      .string(someOf(({ aspectRatios }) => aspectRatios))
      .min(1)
      .max(8)
      .optional()
      .meta({
        description: 'Width to height, one that the model offers; the model chooses by default.',
        examples: ['1:1', '4:5'],
      }),
    seed: z
      .int()
      .min(0)
      .max(2_147_483_647)
      .optional()
      .meta({ description: 'Makes variants: jobs that differ in it are never joined.' }),
    thinking: z
      .string(someOf(({ thinking }) => thinking))
      .min(1)
      .max(16)
      .optional()
      .meta({ description: 'How long the model thinks first, one of the levels it offers.', examples: ['high'] }),
    references: z
      .array(ReferenceBody)
      .default([])
      .meta({ description: 'Images to go by; how many, and of which role, depends on the model.' }),
    tools: z
      .array(z.enum(['google_search']))
      .max(1)
      .default([])
      .meta({ description: 'What the model may use; a job with tools is never served from the cache.' }),
    safety: z
      .array(z.strictObject({ category: z.enum(SAFETY_CATEGORIES), threshold: z.enum(SAFETY_THRESHOLDS) }))
      .max(SAFETY_CATEGORIES.length)
      .default([])
      .meta({ description: 'From when on the model refuses, by category; each at most once.' }),
    template: z
      .string()
      .max(80)
      .optional()
      .meta({ description: 'The template that writes the prompt: `name`, or `name@version`.' }),
    quote: z.string().max(64).optional().meta({ description: 'The id of a quote: its cap is a max_cost.' }),
    lane: z
      .enum(['auto', ...LANES])
      .default('auto')
      .meta({
        description:
          'How it travels: by a call of its own, or within hours in a batch at half the price; `auto` chooses.',
      }),
    deadline: instantSchema.optional().meta({
      description: 'When it expires, with its time zone, at most 30 days ahead; a day from now by default.',
    }),
    max_cost: moneySchema.optional().meta({
      description: 'Dollars. Refuses a job whose estimate is above it, and any further try that could pass it.',
    }),
    priority: z.int().min(1).max(9).default(5).meta({ description: '1 (last) to 9 (first).' }),
    routing: RoutingBody.optional(),
    on_unknown_outcome: z
      .enum(ON_UNKNOWN_OUTCOME)
      .default('retry')
      .meta({ description: 'When the answer to a paid call is lost: make it once more, wait for you, or fail.' }),
    dedup: z
      .union([z.literal(false), z.strictObject({ window: durationSchema({ max: '24h' }) })], {
        error: 'must be false or {"window":"60s"}',
      })
      .optional()
      .meta({
        description:
          'How long after its end an equal job may be joined (60s by default); `false` asks for a variant. ' +
          'A job of the standard lane joins no open job of the batch lane.',
      }),
    cache: z
      .strictObject({ ttl: durationSchema({ max: '30d' }) })
      .optional()
      .meta({ description: 'Takes the image of an equal job that ended within `ttl`, at no cost.' }),
    tags: z
      .array(z.string().trim().min(1).max(64))
      .max(16)
      .default([])
      .meta({ description: 'Yours, to list by; Darkroom reads nothing into them.' }),
    metadata: z
      .record(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 _ . -'), z.string().max(512))
      .refine((record) => Object.keys(record).length <= 32, 'must have at most 32 keys')
      .default({})
      .meta({ description: 'Yours, shown again with the job and to list by; Darkroom reads nothing into it.' }),
    webhook: ownWebhook(OWN_TYPES.job, 'how the job ends').optional().meta({
      description: 'Told of this job beside your endpoints; signed with the secret of GET /v1/webhook-secret.',
    }),
  })
  .meta({ description: 'One image to make, its template filled in.' });
export type SubmitJobBody = z.output<typeof SubmitJobBody>;

/** Names the wire reserves for parts that are not there yet: refused by name, so nobody believes they were heeded. */
export const RESERVED_FIELDS = ['edit_of', 'mask'] as const;
