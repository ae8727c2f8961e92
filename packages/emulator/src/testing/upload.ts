/** Uploads by hand, step by step, where the SDK does all of it at once. */
import type { Emulator } from '../server.ts';

type Start = { name?: string; bytes?: number; mimeType?: string; key?: string; version?: string; displayName?: string };

export function startUpload({ url }: Emulator, options: Start = {}): Promise<Response> {
  const { name, displayName, bytes, mimeType = 'application/jsonl', key = 'test-key', version = 'v1beta' } = options;
  return fetch(`${url}/upload/${version}/files`, {
    method: 'POST',
    headers: {
      'x-goog-api-key': key,
      'content-type': 'application/json',
      'x-goog-upload-protocol': 'resumable',
      'x-goog-upload-command': 'start',
      'x-goog-upload-header-content-type': mimeType,
      ...(bytes !== undefined && { 'x-goog-upload-header-content-length': String(bytes) }),
    },
    body: JSON.stringify({ file: { mimeType, ...(name && { name }), ...(displayName && { displayName }) } }),
  });
}

export function sendChunk(
  uploadUrl: string,
  command: string,
  options: { offset?: number; bytes?: string | Buffer; signal?: AbortSignal } = {},
): Promise<Response> {
  const { offset, bytes, signal } = options;
  const headers = {
    'x-goog-upload-command': command,
    ...(offset !== undefined && { 'x-goog-upload-offset': String(offset) }),
  };
  const body = typeof bytes === 'string' ? bytes : bytes && new Uint8Array(bytes);
  return fetch(uploadUrl, { method: 'POST', headers, ...(body && { body }), ...(signal && { signal }) });
}

/** The address that a start which must succeed gives. */
export async function openUpload(emulator: Emulator, options: Start = {}): Promise<string> {
  const response = await startUpload(emulator, options);
  const url = response.headers.get('x-goog-upload-url');
  if (!url) throw new Error(`no upload: ${response.status} ${await response.text()}`);
  return url;
}

/** A whole upload that must succeed. Returns the file's resource. */
export async function upload(
  emulator: Emulator,
  bytes: string | Buffer,
  options: Omit<Start, 'bytes'> = {},
): Promise<Record<string, string>> {
  const url = await openUpload(emulator, { ...options, bytes: Buffer.byteLength(bytes) });
  const response = await sendChunk(url, 'upload, finalize', { offset: 0, bytes });
  if (!response.ok) throw new Error(`no file: ${response.status} ${await response.text()}`);
  const { file } = (await response.json()) as { file: Record<string, string> };
  return file;
}

/** A call by hand with a key. */
export function call(
  emulator: Emulator,
  method: string,
  path: string,
  body?: unknown,
  key = 'test-key',
): Promise<Response> {
  return fetch(`${emulator.url}/${path}`, {
    method,
    headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}
