/** How tests call the modes that are not Gemini's own: by hand, with a token. */
import type { Emulator } from '../server.ts';

/** A value of JSON, to be looked into. */
export type Json = { [field: string | number]: Json | undefined };

export type Told = { status: number; headers: Headers; json: Json };

export const CHAT = '/api/v1/chat/completions';
export const RELAY_CHAT = '/v1/chat/completions';
export const IMAGES = '/api/v1/images';
export const GENERATIONS = '/v1/images/generations';
export const EDITS = '/v1/images/edits';
export const COMPATIBLE = '/v1beta/openai/images/generations';
export const NATIVE = '/v1beta/models/gemini-3-pro-image:generateContent';

/** One call; a form or a value as its body makes it a POST. */
export async function tell(
  { url }: Emulator,
  path: string,
  body?: unknown,
  token = 'test-token',
  headers: Record<string, string> = {},
): Promise<Told> {
  const response = await fetch(url + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && !(body instanceof FormData) && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: body instanceof FormData ? body : JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, json: JSON.parse(await response.text()) };
}

/** The path of a model in a project of Google's cloud. */
export const cloudPath = (project: string, model = 'gemini-3-pro-image', location = 'global') =>
  `/v1beta1/projects/${project}/locations/${location}/publishers/google/models/${model}`;

export const aChat = (content: unknown = 'a red bicycle', more: object = {}) => ({
  model: 'google/gemini-3-pro-image',
  messages: [{ role: 'user', content }],
  modalities: ['image', 'text'],
  ...more,
});

export const aContent = (prompt = 'a red bicycle') => ({ contents: [{ role: 'user', parts: [{ text: prompt }] }] });

/** The bytes of a data: URL. */
export function bytesOf(url: string): Buffer {
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
}

/** A string within an answer; empty when it is none. */
export function textOf(json: Json | undefined): string {
  const value: unknown = json;
  return typeof value === 'string' ? value : '';
}

/** A list within an answer; empty when it is none. */
export function listOf(json: Json | undefined): Json[] {
  const value: unknown = json;
  return Array.isArray(value) ? value : [];
}
