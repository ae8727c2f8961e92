/** Batches as callers send them. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BatchRow } from '@darkroom/shared/domain';
import type { Answer, Call, TestApi } from './start-api.ts';

const TYPES = { csv: 'text/csv', ndjson: 'application/x-ndjson' };

/** Sends rows as NDJSON or CSV, with the options in the query. */
export function sendBatch(
  api: TestApi,
  form: keyof typeof TYPES,
  raw: string | Uint8Array<ArrayBuffer>,
  { query = '', ...call }: Call & { query?: string } = {},
): Promise<Answer> {
  const headers = { 'content-type': TYPES[form], ...call.headers };
  return api.call('POST', `/v1/batches${query && `?${query}`}`, { ...call, raw, headers });
}

export function ndjson(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** What lies in the object store under a batch's folder. */
export async function objectsOf(api: TestApi, id: string): Promise<string[]> {
  const names = await readdir(join(api.folder, 'objects', 'batches', id)).catch(() => []);
  return names.filter((name) => !name.startsWith('.') && !name.endsWith('.info')).toSorted();
}

/** Folders of batches that hold anything. */
export async function batchFolders(api: TestApi): Promise<string[]> {
  const ids = await readdir(join(api.folder, 'objects', 'batches')).catch(() => []);
  const full = await Promise.all(ids.map(async (id) => ((await objectsOf(api, id)).length ? [id] : [])));
  return full.flat();
}

/** The rows of a batch, out of all of its shards. */
export async function rowsOf(api: TestApi, id: string): Promise<BatchRow[]> {
  const shards = (await objectsOf(api, id)).filter((name) => name.startsWith('input-'));
  const texts = await Promise.all(
    shards.map((name) => readFile(join(api.folder, 'objects', 'batches', id, name), 'utf8')),
  );
  return texts.flatMap((text) => text.split('\n').flatMap((line) => (line ? [JSON.parse(line) as BatchRow] : [])));
}

/** Ids of the batches that were accepted, newest first. */
export async function acceptedBatches(api: TestApi, key = api.key): Promise<string[]> {
  const { json } = await api.call('GET', '/v1/batches?limit=200', { key });
  return json.data.map(({ id }: { id: string }) => id);
}
