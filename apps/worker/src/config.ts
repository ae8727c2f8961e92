import { BATCH_DEFAULTS, commonEnv, secret } from '@darkroom/shared/config';
import { z } from 'zod';
import { alertEnv } from './alert-config.ts';
import { webhookEnv } from './webhooks/config.ts';

const ROLES = ['standard', 'batch', 'webhooks', 'sweeper'] as const;

/** The worker's environment. */
export const WorkerEnv = z.object({
  ...commonEnv,
  GEMINI_API_KEY: secret(1).optional().meta({
    description:
      'Key of the Gemini API, when no file names channels. `npm start` runs the emulator when neither is there.',
  }),
  GEMINI_BASE_URL: z
    .url({ protocol: /^https?$/ })
    .default('https://generativelanguage.googleapis.com')
    .meta({ description: 'Address of the Gemini API, or of something that speaks it.' }),
  GEMINI_RPM: z.coerce.number().min(0).default(0).meta({
    description: 'Most calls a minute per model, over all workers; 0 = only the limits the provider answers with.',
  }),
  CALL_TIMEOUT: z.coerce.number().int().min(1).optional().meta({
    description:
      'Seconds after which no answer is waited for any more; at most what the model itself may take (180 to 300), which is the default. A shorter time throws paid answers away.',
  }),
  WORKER_CONCURRENCY: z.coerce.number().int().min(1).max(200).default(20).meta({
    description: 'Most paid calls in flight per worker process: what one killed process can put in doubt.',
  }),
  WORKER_ROLES: z
    .string()
    .default(ROLES.join(','))
    .transform((text) => text.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(ROLES, `must be some of ${ROLES.join(', ')}`)).min(1))
    .meta({ description: `What this worker does: some of ${ROLES.join(', ')}.` }),
  MESSAGE_LOCK: z.coerce.number().int().min(5).max(3_600).default(60).meta({
    description: 'Seconds after which a job that a killed worker had picked up, and not yet sent, is picked up again.',
  }),
  STUCK_AFTER: z.coerce.number().int().min(3).max(3_600).default(60).meta({
    description:
      'Seconds for which a worker with room may leave waiting messages alone; then it ends with code 1, to be started anew.',
  }),
  SPOOL_MAX_MB: z.coerce.number().int().min(64).default(4_096).meta({
    description: 'Above 80 % of this, paid bytes that wait for storage stop new calls.',
  }),
  METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(0).meta({
    description: "Port of the worker's `/metrics`, `/livez` and `/readyz`; 0 = any free one, named in the log.",
  }),
  DRAIN_SECONDS: z.coerce.number().int().min(1).default(330).meta({
    description:
      'Longest wait for calls in flight when stopping; above the slowest model, since a cut call may be billed.',
  }),
  BATCH_GATHER: z.coerce.number().min(0).max(86_400).default(60).meta({
    description: 'Seconds the first job of a provider batch waits for others before it goes without them.',
  }),
  BATCH_POLL: z.coerce.number().min(0.1).max(3_600).default(60).meta({
    description: "Seconds between two lists of the account's batches.",
  }),
  BATCH_SLOTS: z.coerce.number().int().min(1).max(1_000).default(BATCH_DEFAULTS.batch.slots).meta({
    description: 'Most provider batches of an account at a time; the provider allows 100.',
  }),
  BATCH_ENQUEUED_TOKENS: z.coerce.number().int().min(0).default(BATCH_DEFAULTS.batch.enqueuedTokens).meta({
    description:
      "An account's allowance of enqueued tokens per model, of which 80 % are used; 0 = none of our own. Depends on the tier.",
  }),
  BATCH_RECREATE_AFTER: z.coerce.number().min(1).max(86_400).default(600).meta({
    description:
      'Seconds over which lists must show nothing before a batch whose creation was not answered is made again.',
  }),
  BATCH_LIFE: z.coerce.number().min(1).max(172_800).default(72_000).meta({
    description: 'Seconds after which a provider batch is taken back, and its jobs go on one by one.',
  }),
  BATCH_MARGIN: z.coerce.number().min(0).max(86_400).default(900).meta({
    description: "Seconds before a job's deadline that are kept for making it in the standard lane after all.",
  }),
  BATCH_STUCK_AFTER: z.coerce.number().min(1).max(172_800).default(21_600).meta({
    description:
      'Seconds after which a provider batch that has not begun is stuck; three of them stop new ones of the model.',
  }),
  ...webhookEnv,
  ...alertEnv,
  QUOTA_MINUTE_MS: z.coerce.number().int().min(100).optional().meta({
    description: 'Tests only: what a minute of a limit lasts; ten of them are its ten minutes.',
  }),
  BREAKER_COOL_DOWN_MS: z.coerce.number().int().min(10).optional().meta({
    description: "Tests only: a breaker's first cool-down; the longest is thirty times that.",
  }),
  CRASH_AT: z.string().optional().meta({ description: 'Tests only: die by SIGKILL at this step.' }),
});
export type WorkerConfig = z.output<typeof WorkerEnv>;
