/** Reads the JSON of callers that do not speak Gemini's way. */
import { z } from 'zod';
import { readJson } from '../http/body.ts';
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import type { Call } from '../routes/call.ts';

/** The body, in its shape. @throws GoogleError 400 naming the first field at fault. */
export async function readBodyAs<T>(call: Call, schema: z.ZodType<T>): Promise<T> {
  return checked(await readJson(call.request), schema);
}

/** `json`, in its shape. @throws GoogleError 400 naming the first field at fault. */
export function checked<T>(json: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') ?? '';
  throw new GoogleError({
    ...invalidArgument(`Invalid value for '${field}': ${issue?.message ?? ''}`),
    ...(field && { reason: field }),
  });
}
