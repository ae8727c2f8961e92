import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, type ProviderBatch, providerBatchKey } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { BatchDeps } from './deps.ts';
import { deadline } from './submitter.ts';
import type { Workspace } from './workspace.ts';

/** A gigabyte at a slow line's pace. */
const DOWNLOAD_MS = 3_600_000;
const RAW = 'responses.jsonl';

export type Download =
  | { type: 'stored'; raw: { key: string; sha256: string; bytes: number } }
  /** The provider does not have it: not yet, or not any more. */
  | { type: 'gone' }
  | { type: 'trouble'; reason: string };

/** Brings the result file, as it is, to this disk and from there into our store. */
export async function download(
  deps: BatchDeps,
  workspace: Workspace,
  batch: ProviderBatch,
  fileName: string,
): Promise<Download> {
  const signal = deadline(deps, DOWNLOAD_MS);
  const done = await deps.channel.download(fileName, signal);
  if (done.type === 'unknown') return { type: 'trouble', reason: done.reason };
  if (done.type === 'rejected') return { type: 'trouble', reason: `${done.verdict.http} ${done.verdict.code}` };
  if (done.body === 'gone') return { type: 'gone' };
  const path = workspace.path(RAW);
  const sha256 = createHash('sha256');
  const counted = async function* (body: AsyncIterable<Buffer>) {
    for await (const chunk of body) {
      sha256.update(chunk);
      yield chunk;
    }
  };
  try {
    await pipeline(done.body, counted, createWriteStream(`${path}.part`), { signal });
  } catch (error) {
    return { type: 'trouble', reason: describeError(error).error };
  }
  await rename(`${path}.part`, path);
  deps.crash('chunk.downloaded');
  const raw = { sha256: sha256.digest('hex'), bytes: (await stat(path)).size };
  const key = await store(deps, batch, { path, ...raw });
  deps.crash('chunk.raw_stored');
  return { type: 'stored', raw: { key, ...raw } };
}

async function store(
  { store: objects, log }: BatchDeps,
  { id }: ProviderBatch,
  { path, bytes, sha256 }: { path: string; bytes: number; sha256: string },
): Promise<string> {
  const key = providerBatchKey(id, RAW);
  const put = (name: string) =>
    objects.put(name, { path, bytes }, { contentType: 'application/jsonl', custom: { sha256 } });
  try {
    await put(key);
    return key;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    // An earlier download brought other bytes and its crash kept it off the record. Both are kept; this one counts.
    log.error({ providerBatch: id, key }, 'store.conflict');
    const other = key.replace('.jsonl', `-${sha256.slice(0, 16)}.jsonl`);
    await put(other);
    return other;
  }
}

/** The raw results from this disk, when they were just brought here, else from our store. */
export async function openRaw({ store: objects }: BatchDeps, workspace: Workspace, key: string): Promise<Readable> {
  const path = workspace.path(RAW);
  const here = await stat(path).catch(() => undefined);
  if (here) return createReadStream(path, { highWaterMark: 1 << 20 });
  const stream = await objects.get(key);
  if (!stream) throw new AppError('storage_unavailable', { message: `${key} cannot be read.`, retryable: true });
  return stream;
}
