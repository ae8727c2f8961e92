/** A line of the input as JSON: `{"key": "…", "request": {GenerateContentRequest}}`. */
import { open } from 'node:fs/promises';
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import type { Model } from '../models.ts';
import type { Strictness } from '../request/check.ts';
import type { Fields } from '../request/message.ts';
import { type ImageRequest, parseRequest } from '../request/request.ts';

export type InputLine = {
  key: string | undefined;
  request: unknown;
  metadata: unknown;
  /** All that is beside the request. */
  extra: Record<string, unknown>;
};

/** @throws GoogleError 400 when the line is no JSON object */
export function parseInputLine(bytes: Buffer): InputLine {
  const json = parseJson(bytes);
  if (typeof json !== 'object' || json === null) throw new GoogleError(NO_OBJECT);
  const { request, ...extra } = json as Record<string, unknown>;
  const { key, metadata } = extra;
  return { key: typeof key === 'string' ? key : undefined, request, metadata, extra };
}

const NO_OBJECT = invalidArgument('Each line must be a JSON object with a key and a request.');

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new GoogleError(NO_OBJECT);
  }
}

/** One line of a file. */
export async function readLine(
  path: string,
  { offset, length }: { offset: number; length: number },
): Promise<InputLine> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
    return parseInputLine(buffer);
  } finally {
    await file.close();
  }
}

/** What a line asks for. @throws GoogleError for what the model does not take. */
export function requestOf(
  { request }: InputLine,
  model: Model,
  { fields, ...strictness }: Strictness & { fields?: Fields | undefined },
): Promise<ImageRequest> {
  return parseRequest(request, model, strictness, fields);
}
