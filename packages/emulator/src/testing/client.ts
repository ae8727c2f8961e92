/** How tests talk to an emulator: through the real SDK, and by hand where the SDK hides what matters. */
import { ApiError, GoogleGenAI } from '@google/genai';
import sharp from 'sharp';
import { findModel, type Model } from '../models.ts';
import type { Emulator } from '../server.ts';

export const MODEL = 'gemini-3-pro-image';

export type Part = {
  text?: string;
  thought?: boolean;
  thoughtSignature?: string;
  inlineData?: { data: string; mimeType: string };
};

/** The real SDK, pointed at the emulator. */
export function sdk({ url }: Emulator, apiKey = 'test-key', apiVersion = 'v1beta'): GoogleGenAI {
  return new GoogleGenAI({ apiKey, apiVersion, httpOptions: { baseUrl: url } });
}

/** A model of the table. */
export function aModel(id: string): Model {
  const model = findModel(id);
  if (!model) throw new Error(`no model ${id}`);
  return model;
}

/** One call by hand. */
export function post(
  { url }: Emulator,
  options: {
    body?: unknown;
    model?: string;
    prompt?: string;
    key?: string;
    headers?: Record<string, string>;
    signal?: AbortSignal;
  } = {},
): Promise<Response> {
  const { prompt = 'a red bicycle', model = MODEL, key = 'test-key', headers = {}, signal } = options;
  return fetch(`${url}/v1/models/${model}:generateContent`, {
    method: 'POST',
    headers: { 'x-goog-api-key': key, 'content-type': 'application/json', ...headers },
    body:
      typeof options.body === 'string'
        ? options.body
        : JSON.stringify(options.body ?? { contents: [{ parts: [{ text: prompt }] }] }),
    ...(signal && { signal }),
  });
}

export type Answer = {
  candidates?: { content?: { parts?: Part[] | null }; finishReason?: string; finishMessage?: string }[];
  promptFeedback?: { blockReason: string };
  usageMetadata?: Record<string, number>;
  modelVersion: string;
  responseId: string;
};

/** A call by hand that must succeed. */
export async function generate(emulator: Emulator, options: Parameters<typeof post>[1] = {}): Promise<Answer> {
  const response = await post(emulator, options);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return JSON.parse(await response.text());
}

export type Refused = { error: { code: number; status: string; message: string; details?: Record<string, unknown>[] } };

/** A call by hand that must be refused. */
export async function refused(emulator: Emulator, options: Parameters<typeof post>[1] = {}): Promise<Refused['error']> {
  const response = await post(emulator, options);
  if (response.ok) throw new Error('the call succeeded');
  const { error }: Refused = JSON.parse(await response.text());
  return error;
}

/** The image parts of an answer. */
export function imagesOf(answer: { candidates?: { content?: { parts?: Part[] | null } }[] }): Buffer[] {
  const parts = answer.candidates?.[0]?.content?.parts ?? [];
  return parts.flatMap(({ inlineData }) => (inlineData ? [Buffer.from(inlineData.data, 'base64')] : []));
}

/** The status of a refusal as the SDK shows it. */
export async function apiErrorOf(call: Promise<unknown>): Promise<ApiError> {
  const error = await call.then(
    () => new Error('the call succeeded'),
    (error: unknown) => error,
  );
  if (error instanceof ApiError) return error;
  throw new Error(`not an ApiError: ${String(error)}`);
}

/** A small real image, as base64. */
export async function aPicture(width = 16, height = 16): Promise<string> {
  const picture = sharp({ create: { width, height, channels: 3, background: '#c33' } });
  return (await picture.png().toBuffer()).toString('base64');
}

export function controlled({ url }: Emulator, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${url}/__emulator/${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
}
