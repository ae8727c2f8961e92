/** The body of `POST /v1/jobs` and `PUT /v1/jobs/{id}`. */

import { z } from 'zod';
import { DEFAULT_MODEL, ON_UNKNOWN_OUTCOME, REFERENCE_ROLES } from '../domain/index.ts';
import { durationSchema, instantSchema, moneySchema } from './primitives.ts';

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

const SOURCES = ['asset', 'url', 'gcs_uri', 'image', 'data'] as const;

export const ReferenceBody = z
  .strictObject({
    asset: z
      .string()
      .regex(/^ast_[0-9a-f]{64}$/, 'must be an asset id such as "ast_…"')
      .optional(),
    url: z.string().max(2_048).optional(),
    gcs_uri: z
      .string()
      .max(1_024)
      .regex(/^gs:\/\/[a-z0-9._-]+\/.+/, 'must be a gs://bucket/name uri')
      .optional(),
    image: z.string().max(256).regex(/^img_/, 'must be the id of an earlier image, "img_…"').optional(),
    data: z
      .string()
      .regex(/^data:image\/[a-z+.-]+;base64,/, 'must be a data URI such as "data:image/png;base64,…"')
      .optional(),
    name: z.string().trim().min(1).max(64).optional(),
    role: z.enum(REFERENCE_ROLES).optional(),
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
      .meta({ examples: ['a red mug on an oak table'] }),
    model: z
      .string()
      .min(1)
      .max(128)
      .default(DEFAULT_MODEL)
      .meta({ description: 'A model id or alias of GET /v1/models.' }),
    size: z
      .string()
      .min(1)
      .max(8)
      .optional()
      .meta({ examples: ['1K', '2K', '4K'] }),
    aspect_ratio: z
      .string()
      .min(1)
      .max(8)
      .optional()
      .meta({ examples: ['1:1', '4:5'] }),
    seed: z.int().min(0).max(2_147_483_647).optional(),
    thinking: z
      .string()
      .min(1)
      .max(16)
      .optional()
      .meta({ examples: ['high'] }),
    references: z.array(ReferenceBody).default([]),
    tools: z
      .array(z.enum(['google_search']))
      .max(1)
      .default([]),
    safety: z
      .array(z.strictObject({ category: z.enum(SAFETY_CATEGORIES), threshold: z.enum(SAFETY_THRESHOLDS) }))
      .max(SAFETY_CATEGORIES.length)
      .default([]),
    template: z.string().max(80).optional(),
    quote: z.string().max(64).optional().meta({ description: 'The id of a quote: its cap is a max_cost.' }),
    lane: z.enum(['auto', 'standard']).default('auto'),
    deadline: instantSchema.optional(),
    max_cost: moneySchema.optional(),
    priority: z.int().min(1).max(9).default(5).meta({ description: '1 (last) to 9 (first).' }),
    on_unknown_outcome: z.enum(ON_UNKNOWN_OUTCOME).default('retry'),
    dedup: z
      .union([z.literal(false), z.strictObject({ window: durationSchema({ max: '24h' }) })], {
        error: 'must be false or {"window":"60s"}',
      })
      .optional(),
    cache: z.strictObject({ ttl: durationSchema({ max: '30d' }) }).optional(),
    tags: z.array(z.string().trim().min(1).max(64)).max(16).default([]),
    metadata: z
      .record(z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/), z.string().max(512))
      .refine((record) => Object.keys(record).length <= 32, 'must have at most 32 keys')
      .default({}),
  })
  .meta({ description: 'One image to make, its template filled in.' });
export type SubmitJobBody = z.output<typeof SubmitJobBody>;

/** Names the wire reserves for parts that are not there yet: refused by name, so nobody believes they were heeded. */
export const RESERVED_FIELDS = ['edit_of', 'mask', 'webhook', 'routing'] as const;
