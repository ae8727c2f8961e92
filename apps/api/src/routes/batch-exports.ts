/** What a batch came to, as files: streamed as fast as the caller takes them, however many rows there are. */

import { once } from 'node:events';
import { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { AppError, type Batch, batchKey, type StoredImage } from '@darkroom/shared/domain';
import { getBatch, itemsOf, MANIFEST_HEADER, manifestLine, manifestRow } from '@darkroom/shared/usecases';
import type { Request, Response, Router } from 'express';
import yazl from 'yazl';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

type BatchRequest = Request<{ id: string }>;

/** Adds the exports of a batch to its router. */
export function exportRoutes(router: Router, deps: ApiDeps): void {
  router.get('/:id/manifest.jsonl', async (req, res) => {
    const batch = await batchOf(deps, req, res);
    await send(res, 'application/x-ndjson', manifestJson(deps, batch));
  });
  router.get('/:id/manifest.csv', async (req, res) => {
    const batch = await batchOf(deps, req, res);
    await send(res, 'text/csv', manifestCsv(deps, batch), `${batch.id}.csv`);
  });
  router.get('/:id/errors.csv', async (req, res) => errors(deps, req, res));
  router.get('/:id/archive.zip', async (req, res) => archive(deps, await batchOf(deps, req, res), res));
}

async function batchOf(deps: ApiDeps, req: BatchRequest, res: Response): Promise<Batch> {
  const { tenant } = callerOf(res, 'jobs:read');
  return (await getBatch(deps, tenant, req.params.id)).batch;
}

async function* manifestJson(deps: ApiDeps, batch: Batch): AsyncGenerator<string> {
  for await (const items of itemsOf(deps, batch)) {
    yield items.map((item) => `${JSON.stringify(manifestRow(deps, batch, item))}\n`).join('');
  }
}

async function* manifestCsv(deps: ApiDeps, batch: Batch): AsyncGenerator<string> {
  yield MANIFEST_HEADER;
  for await (const items of itemsOf(deps, batch)) {
    yield items.map((item) => manifestLine(manifestRow(deps, batch, item))).join('');
  }
}

/** Of a batch, or of one that was refused within the last day and never was one. */
async function errors(deps: ApiDeps, req: BatchRequest, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { id } = req.params;
  const key = batchKey(id, 'errors.csv');
  const info = /^bat_[0-9a-f]{32}$/.test(id) ? await deps.store.head(key) : undefined;
  const body = info?.custom['tenant'] === tenant ? await deps.store.get(key) : undefined;
  if (!body) {
    await getBatch(deps, tenant, id);
    throw new AppError('not_found', { message: 'The batch has no errors.', param: 'id' });
  }
  await send(res, 'text/csv', body, `${id}-errors.csv`);
}

async function send(res: Response, type: string, body: AsyncIterable<unknown>, name?: string): Promise<void> {
  res.set({ 'content-type': `${type}; charset=utf-8`, 'cache-control': 'private, no-store' });
  if (name) res.attachment(name).type(`${type}; charset=utf-8`);
  // A caller who hangs up half way is no error of ours; any other is seen by the end that is missing.
  const source = body instanceof Readable ? body : Readable.from(body, { objectMode: false, highWaterMark: 65_536 });
  await pipeline(source, res).catch(rethrowUnlessClosed(res));
}

function rethrowUnlessClosed(res: Response) {
  return (error: unknown) => {
    const code = (error as { code?: unknown }).code;
    if (code === 'ERR_STREAM_PREMATURE_CLOSE' || res.destroyed) {
      if (code === 'ERR_STREAM_PREMATURE_CLOSE') return;
    }
    throw error;
  };
}

/** Every image under its key, the manifest, and a list of what could not be read. Stored, not compressed: images are that already. */
async function archive(deps: ApiDeps, batch: Batch, res: Response): Promise<void> {
  const zip = new yazl.ZipFile();
  const stop = new AbortController();
  let fault: unknown;
  res.once('close', () => stop.abort());
  // An image that is longer or shorter than its record says.
  zip.once('error', (error: unknown) => {
    fault = error;
    stop.abort();
  });
  res.attachment(`${batch.id}.zip`).set('cache-control', 'private, no-store');
  const sent = pipeline(zip.outputStream, res).catch(rethrowUnlessClosed(res));
  await fill(deps, zip, batch, stop.signal);
  if (!stop.signal.aborted) await Promise.race([sent, once(stop.signal, 'abort')]);
  // The answer ends here, cut, so that nobody takes it for whole.
  if (fault) throw fault;
}

async function fill(deps: ApiDeps, zip: yazl.ZipFile, batch: Batch, signal: AbortSignal): Promise<void> {
  const missing: string[] = [];
  const names = createNames();
  for await (const items of itemsOf(deps, batch)) {
    for (const { row, job } of items) {
      const image = job?.state.images[0];
      if (signal.aborted) return;
      if (image && !(await addImage(deps, zip, names(row.key, image.mime), image, signal))) {
        missing.push(`${row.key}: ${deps.store.uri(image.key)} is not there\n`);
      }
    }
  }
  if (signal.aborted) return;
  await addStream(zip, 'manifest.csv', Readable.from(manifestCsv(deps, batch), { objectMode: false }), signal);
  if (missing.length) zip.addBuffer(Buffer.from(missing.join('')), 'errors.txt', { compress: false });
  zip.end();
}

async function addImage(
  deps: ApiDeps,
  zip: yazl.ZipFile,
  name: string,
  image: StoredImage,
  signal: AbortSignal,
): Promise<boolean> {
  const body = await deps.store.get(image.key);
  if (!body) return false;
  await addStream(zip, name, body, signal, image.bytes);
  return true;
}

/** One after the other, so that no more than one is open. */
async function addStream(
  zip: yazl.ZipFile,
  name: string,
  body: Readable,
  signal: AbortSignal,
  size?: number,
): Promise<void> {
  zip.addReadStream(body, name, { compress: false, ...(size !== undefined && { size }) });
  await finished(body, { signal }).catch((error: unknown) => {
    body.destroy();
    if (!signal.aborted) throw error;
  });
}

const EXTENSIONS: Record<string, string> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

/** `KEY.ext`, safe on every disk and unique also where `A` and `a` are one name. */
function createNames(): (key: string, mime: string) => string {
  const taken = new Set(['manifest.csv', 'errors.txt']);
  return (key, mime) => {
    const base = key
      .replaceAll(':', '_')
      .replace(/^[.-]+/, '_')
      .replace(/\.+$/, '_');
    const extension = EXTENSIONS[mime] ?? 'bin';
    for (let n = 1; ; n++) {
      const name = n === 1 ? `${base}.${extension}` : `${base}~${n}.${extension}`;
      if (taken.has(name.toLowerCase())) continue;
      taken.add(name.toLowerCase());
      return name;
    }
  };
}
