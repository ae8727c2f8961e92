import { z } from 'zod';
import { TENANT_NAME } from '../schemas/index.ts';
import { parseStorageUrl } from '../storage/open-store.ts';
import { secret } from './env.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

/** Who is told of what happens to channels, and of alerts. */
export const operatorTenant = z
  .string()
  .regex(TENANT_NAME, 'must be the name of a tenant: 1 to 63 of a-z 0-9 -')
  .default('default')
  .meta({
    description: 'The tenant whose events and webhooks tell of alerts; the first key is of `default`.',
  });

/** What both programs read. */
export const commonEnv = {
  DARKROOM_CONFIG: z.string().max(4_096).optional().meta({
    description:
      'File that lists the channels; see Channels. Default: `darkroom.config.yaml` or `.json` where the program starts, if there is one; else one channel out of `GEMINI_API_KEY`.',
  }),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// url' }).meta({
    description: 'Redis or Valkey ≥ 6.2 with AOF and `noeviction`. `npm start` brings its own when unset.',
  }),
  REDIS_PREFIX: z.string().max(64).default('').meta({ description: 'Put before every key, to share one Redis.' }),
  STORAGE_URL: z.string().superRefine(checkStorageUrl).default('file:.darkroom/objects').meta({
    description: 'Where images rest: `file:FOLDER` or `gs://bucket/prefix`.',
  }),
  GCS_API_ENDPOINT: z.url().optional().meta({ description: 'Another GCS endpoint, such as an emulator.' }),
  DARKROOM_DATA: z.string().default('.darkroom').meta({
    description: 'Data folder: secret, first key, logs, private Redis, spool.',
  }),
  DARKROOM_SECRET: secret(32).meta({
    description:
      'Signs links, peppers API keys and seals secrets of webhooks; the same for all programs. `npm start` makes one.',
  }),
  PUBLIC_URL: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description: 'The address callers reach the API at; signed links start with it. Default: `http://HOST:PORT`.',
    }),
  HOST: z.string().default('127.0.0.1').meta({ description: 'Address to listen on.' }),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080).meta({ description: 'Port of the API.' }),
  JOB_TAIL: z.coerce.number().int().min(60).default(86_400).meta({
    description: 'Seconds a finished job stays in Redis before it rests in the archive.',
  }),
  EVENTS_RETENTION_DAYS: z.coerce.number().int().min(1).max(3_650).default(30).meta({
    description: 'Whole days for which events are kept; those of more than a day ago rest in the object store.',
  }),
  WEBHOOK_HTTP: z.enum(['true', 'false']).default('false').meta({
    description:
      'Allow webhooks to `http://`, any port and this machine itself; development only. `npm start` does while `HOST` is this machine.',
  }),
  LOG_LEVEL: z
    .enum(LOG_LEVELS)
    .default('info')
    .meta({ description: `One of ${LOG_LEVELS.join(', ')}.` }),
  CLOCK: z.enum(['redis', 'host']).default('redis').meta({
    description: "Tests only: `host` goes by this machine's clock alone, and not by Redis' where the two differ.",
  }),
  OTEL_EXPORTER_OTLP_ENDPOINT: otlpUrl().meta({
    description: 'Where traces go: an OpenTelemetry collector. Set, tracing is on; see Traces.',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: otlpUrl().meta({
    description: 'The same, as the full address for traces alone.',
  }),
  OTEL_TRACES_EXPORTER: z.string().optional().meta({
    description: '`otlp` (to a collector) or `console`: tracing is on; `none`: it is off, whatever else is set.',
  }),
  OTEL_SERVICE_NAME: z.string().optional().meta({
    description: "The program's name in traces. Default: `darkroom-api`, `darkroom-worker`.",
  }),
  OTEL_RESOURCE_ATTRIBUTES: z.string().optional().meta({
    description: 'More that traces say of the program: `name=value`, by commas.',
  }),
};

/** Where callers reach the API, as far as is known. @param port that it listens on */
export function publicUrlOf(
  { PUBLIC_URL, HOST }: { PUBLIC_URL?: string | undefined; HOST: string },
  port: number,
): string {
  return PUBLIC_URL ?? `http://${HOST.includes(':') ? `[${HOST}]` : HOST}:${port}`;
}

function otlpUrl() {
  return z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// url' }).optional();
}

function checkStorageUrl(value: string, context: z.core.$RefinementCtx<string>): void {
  try {
    parseStorageUrl(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: String(error).replace(/^TypeError: STORAGE_URL /, '') });
  }
}
