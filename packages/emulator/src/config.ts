/** The environment of the program `darkroom-emulator`. */
import { z } from 'zod';
import type { EmulatorOptions } from './server.ts';
import { BatchSettings, LIFELIKE, Settings } from './settings.ts';

const number = z.string().trim().min(1).transform(Number);
const limit = number.pipe(z.number().int().min(0)).optional();
const { shape } = Settings;
const json = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not JSON' });
    return z.NEVER;
  }
});

export const Environment = z.object({
  EMULATOR_PORT: number.pipe(z.number().int().min(0).max(65_535)).default(0),
  EMULATOR_HOST: z.string().min(1).default('127.0.0.1'),
  EMULATOR_SEED: z.string().min(1).optional(),
  EMULATOR_LATENCY: number.pipe(shape.latency).default(LIFELIKE.latency),
  EMULATOR_RENDER: shape.render.default(LIFELIKE.render),
  EMULATOR_LONGEST_SIDE: number.pipe(shape.longest_side.options[1]).optional(),
  EMULATOR_IMAGE_BYTES: number.pipe(shape.image_bytes.options[1]).optional(),
  EMULATOR_SIGNATURE_BYTES: number.pipe(shape.signature_bytes.options[1]).optional(),
  EMULATOR_DRAFTS: number.pipe(shape.drafts).default(LIFELIKE.drafts),
  EMULATOR_TEXT: number.pipe(shape.text).default(LIFELIKE.text),
  EMULATOR_CLOCK_SCALE: number.pipe(shape.clock_scale).default(LIFELIKE.clock_scale),
  EMULATOR_BATCH_TURNAROUND_MS: number
    .pipe(BatchSettings.shape.turnaround_ms.unwrap())
    .default(LIFELIKE.batches.turnaround_ms),
  EMULATOR_BATCH_TOKENS: limit,
  /** JSON, as the setting `projects`. */
  EMULATOR_PROJECTS: json.pipe(shape.projects).optional(),
  EMULATOR_RPM: limit,
  EMULATOR_IPM: limit,
  EMULATOR_TPM: limit,
  EMULATOR_RPD: limit,
  EMULATOR_CONCURRENCY: limit,
  /** US dollars per rolling ten minutes. */
  EMULATOR_SPEND_USD: number.pipe(z.number().min(0)).optional(),
});

/** What the environment asks for. @throws Error that names every variable at fault. */
export function readEnvironment(env: Record<string, string | undefined>): EmulatorOptions {
  const parsed = Environment.safeParse(env);
  if (!parsed.success) throw new Error(`The environment is not right:\n${z.prettifyError(parsed.error)}`);
  const { data } = parsed;
  return {
    port: data.EMULATOR_PORT,
    host: data.EMULATOR_HOST,
    ...(data.EMULATOR_SEED !== undefined && { seed: data.EMULATOR_SEED }),
    settings: {
      ...LIFELIKE,
      latency: data.EMULATOR_LATENCY,
      render: data.EMULATOR_RENDER,
      longest_side: data.EMULATOR_LONGEST_SIDE ?? LIFELIKE.longest_side,
      image_bytes: data.EMULATOR_IMAGE_BYTES ?? LIFELIKE.image_bytes,
      signature_bytes: data.EMULATOR_SIGNATURE_BYTES ?? LIFELIKE.signature_bytes,
      drafts: data.EMULATOR_DRAFTS,
      text: data.EMULATOR_TEXT,
      clock_scale: data.EMULATOR_CLOCK_SCALE,
      projects: data.EMULATOR_PROJECTS ?? {},
      batches: { turnaround_ms: data.EMULATOR_BATCH_TURNAROUND_MS, enqueued_tokens: data.EMULATOR_BATCH_TOKENS },
      quotas: {
        rpm: data.EMULATOR_RPM,
        ipm: data.EMULATOR_IPM,
        tpm: data.EMULATOR_TPM,
        rpd: data.EMULATOR_RPD,
        concurrency: data.EMULATOR_CONCURRENCY,
        spend_micros:
          data.EMULATOR_SPEND_USD === undefined ? undefined : Math.round(data.EMULATOR_SPEND_USD * 1_000_000),
      },
    },
  };
}
