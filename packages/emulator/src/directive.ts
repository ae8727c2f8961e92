/**
 * Wishes written into a prompt, for callers that reach the emulator through another service:
 * `a red bicycle [[emulator image_bytes=20000000 latency_ms=500 fault=overloaded]]`.
 */
import { z } from 'zod';
import { Fault } from './faults/rules.ts';
import { GoogleError, invalidArgument } from './http/google-error.ts';
import { Settings } from './settings.ts';

const Directive = z.strictObject({
  /** Exact weight of this call's images. */
  image_bytes: z.coerce.number().pipe(Settings.shape.image_bytes.options[1]).optional(),
  /** Exact latency of this call. */
  latency_ms: z.coerce.number().int().min(0).max(3_600_000).optional(),
  /** A fault that needs no more than its kind. */
  fault: z
    .string()
    .transform((kind) => ({ kind }))
    .pipe(Fault)
    .optional(),
});
export type Directive = z.infer<typeof Directive>;

const WRITTEN = /\s*\[\[emulator ([^\]]*)\]\]/;

/** The wishes in a prompt. @throws GoogleError 400 for a wish that is not understood. */
export function readDirective(prompt: string): Directive {
  const wishes = WRITTEN.exec(prompt)?.[1]?.trim().split(/\s+/) ?? [];
  const parsed = Directive.safeParse(Object.fromEntries(wishes.map((wish) => wish.split('=', 2))));
  if (parsed.success) return parsed.data;
  throw new GoogleError(invalidArgument(`[[emulator …]] in the prompt: ${z.prettifyError(parsed.error)}`));
}

/** The prompt without its wishes, as it is drawn. */
export function withoutDirective(prompt: string): string {
  return prompt.replace(WRITTEN, '');
}
