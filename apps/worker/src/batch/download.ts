import { open, rename, rm, stat } from 'node:fs/promises';
import { AppError, type ProviderBatch, providerBatchKey, type RawResults } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { type RawFile, writeRawFile } from '@darkroom/shared/storage/spool';
import { channelOf } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { deadline } from './submitter.ts';
import type { Workspace } from './workspace.ts';

/** A gigabyte at a slow line's pace. */
const DOWNLOAD_MS = 3_600_000;
const RAW = 'responses.jsonl';
const SLICE_BYTES = 1 << 20;

export type Download =
  | { type: 'stored'; raw: RawResults }
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
  const got = await bring(deps, workspace, batch, fileName);
  return got.type === 'here' ? keep(deps, workspace, got.raw, (file) => store(deps, batch, file)) : got;
}

/** Brings it once more, and keeps it if it is longer than what is at rest of it. */
export async function downloadAgain(
  deps: BatchDeps,
  workspace: Workspace,
  batch: ProviderBatch,
  fileName: string,
): Promise<Download | { type: 'same' | 'shorter' }> {
  const { id, harvest } = batch;
  const got = await bring(deps, workspace, batch, fileName);
  if (got.type !== 'here') return got;
  const more = got.raw.bytes - (harvest?.bytes ?? 0);
  if (more > 0) return keep(deps, workspace, got.raw, (file) => put(deps, otherKey(id, file), file));
  await rm(got.raw.path, { force: true });
  return { type: more === 0 ? 'same' : 'shorter' };
}

async function bring(
  deps: BatchDeps,
  workspace: Workspace,
  batch: ProviderBatch,
  fileName: string,
): Promise<{ type: 'here'; raw: RawFile } | Exclude<Download, { type: 'stored' }>> {
  const signal = deadline(deps, DOWNLOAD_MS);
  const done = await channelOf(deps, batch).download(fileName, signal);
  if (done.type === 'unknown') return { type: 'trouble', reason: done.reason };
  if (done.type === 'rejected') return { type: 'trouble', reason: `${done.verdict.http} ${done.verdict.code}` };
  if (done.body === 'gone') return { type: 'gone' };
  try {
    return { type: 'here', raw: await writeRawFile(`${workspace.path(RAW)}.part`, done.body) };
  } catch (error) {
    return { type: 'trouble', reason: describeError(error).error };
  }
}

async function keep(
  deps: BatchDeps,
  workspace: Workspace,
  raw: RawFile,
  storeIt: (file: RawFile) => Promise<string>,
): Promise<Download> {
  const path = workspace.path(RAW);
  await rename(raw.path, path);
  deps.crash('chunk.downloaded');
  const key = await storeIt({ ...raw, path });
  deps.crash('chunk.raw_stored');
  return { type: 'stored', raw: { key, crc32c: raw.crc32c, bytes: raw.bytes } };
}

async function store(deps: BatchDeps, { id }: ProviderBatch, file: RawFile): Promise<string> {
  const key = providerBatchKey(id, RAW);
  try {
    return await put(deps, key, file);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
    // An earlier download brought other bytes and its crash kept it off the record. Both are kept; this one counts.
    deps.log.error({ providerBatch: id, key }, 'store.conflict');
    return put(deps, otherKey(id, file), file);
  }
}

function otherKey(id: ProviderBatch['id'], { bytes, crc32c }: RawFile): string {
  return providerBatchKey(id, RAW).replace('.jsonl', `-${bytes}-${crc32c.toString(16)}.jsonl`);
}

async function put(deps: BatchDeps, key: string, { path, bytes, crc32c }: RawFile): Promise<string> {
  await deps.store.put(key, { path, bytes }, { contentType: 'application/jsonl', crc32c });
  return key;
}

/** The raw results from this disk, when they were just brought here, else from our store. */
export async function openRaw(
  { store: objects }: BatchDeps,
  workspace: Workspace,
  key: string,
): Promise<AsyncIterable<Buffer>> {
  const path = workspace.path(RAW);
  const here = await stat(path).catch(() => undefined);
  if (here) return slicesOf(path);
  const stream = await objects.get(key);
  if (!stream) throw new AppError('storage_unavailable', { message: `${key} cannot be read.`, retryable: true });
  return stream;
}

/** The bytes of a file, all in the same megabyte: a new one for each slice would keep the garbage collector busy. */
async function* slicesOf(path: string): AsyncGenerator<Buffer> {
  await using file = await open(path);
  const slice = Buffer.allocUnsafeSlow(SLICE_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(slice);
    if (bytesRead === 0) return;
    yield slice.subarray(0, bytesRead);
  }
}
