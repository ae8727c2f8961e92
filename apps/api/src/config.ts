import { commonEnv, operatorTenant, Secret, secret } from '@darkroom/shared/config';
import { z } from 'zod';

/** The API's environment. */
export const ApiEnv = z.object({
  ...commonEnv,
  DARKROOM_API_KEY: secret(16).optional().meta({
    description: 'A fixed first key of the tenant `default`, with every scope. `npm start` makes one.',
  }),
  JOB_DEADLINE: z.coerce.number().int().min(60).max(2_592_000).default(86_400).meta({
    description: 'Seconds a job without `deadline` may take before it expires.',
  }),
  BACKLOG_MAX: z.coerce.number().int().min(1).default(1_000_000).meta({
    description: 'Most waiting jobs of one tenant, rows of batches apart; more are answered 503.',
  }),
  BODY_LIMIT_MB: z.coerce.number().int().min(1).max(100).default(30).meta({
    description: 'Largest JSON body, references as data URIs included.',
  }),
  BODIES_MAX_MB: z.coerce.number().int().min(1).default(256).meta({
    description: 'Most request bodies in memory at one time, together; more are answered 503.',
  }),
  AUTH_FAILURES_MAX: z.coerce.number().int().min(1).default(20).meta({
    description: 'Most requests a minute without a good key from one address; more are answered 429.',
  }),
  ALERTS_TENANT: operatorTenant,
  GEMINI_WEBHOOK_SECRET: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/_-]{22,}={0,2}$/, 'must be whsec_ and a key in base64')
    .transform((value) => new Secret(value))
    .optional()
    .meta({
      description:
        'Signing secret (`whsec_…`) of a static webhook of the Gemini API that leads to `/v1/provider-webhooks/gemini`: ends of provider batches are seen at once.',
    }),
  GCS_READ_BUCKETS: z
    .string()
    .default('')
    .transform((list) => list.split(',').flatMap((name) => name.trim() || []))
    .pipe(z.array(z.string().regex(/^(\*|[a-z0-9][a-z0-9._-]{1,220}[a-z0-9])$/, 'must be names of buckets, or *')))
    .meta({
      description:
        'Buckets, by commas, whose objects callers may name as `gcs_uri`; `*` = all that the credentials read. Never our own.',
    }),
  DOWNLOAD_HTTP: z
    .enum(['true', 'false'])
    .default('false')
    .meta({ description: 'Allow `http://` reference URLs; development only.' }),
  CRASH_AT: z.string().optional().meta({ description: 'Tests only: die by SIGKILL at this step.' }),
});
export type ApiConfig = z.output<typeof ApiEnv>;
