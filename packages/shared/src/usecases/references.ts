/** Reference images: wherever they come from, they end as content-addressed objects of the tenant. */

import { createHash } from 'node:crypto';
import { AppError, type ImageMime, parseImageId, type Reference, type Tenant } from '../domain/index.ts';
import { assertWhole, probeImage } from '../images/index.ts';
import type { SafeFetch } from '../net/index.ts';
import type { Ledger, ObjectStore } from '../ports/index.ts';
import type { ReferenceBody } from '../schemas/index.ts';
import { findJob } from './get-job.ts';

export const REFERENCE_BYTES_MAX = 20 * 1024 * 1024;
/** All references of one job: as base64 they must fit the provider's 100 MB request. */
export const TOTAL_BYTES_MAX = 70 * 1024 * 1024;

export type ReferenceDeps = { ledger: Ledger; store: ObjectStore; safeFetch: SafeFetch };

type Image = Omit<Reference, 'role' | 'name'>;

/** Sniffs, checks and stores an image under its content's name; the same bytes give the same asset. */
export async function storeAsset(store: ObjectStore, tenant: Tenant, bytes: Buffer): Promise<Image> {
  const { mime, width, height } = probeImage(bytes);
  assertWhole(bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const key = assetKey(tenant, sha256);
  await store.put(key, bytes, { contentType: mime, custom: { width: String(width), height: String(height) } });
  return { key, sha256, mime, bytes: bytes.length, width, height };
}

/** An asset stored earlier; `undefined` when this tenant has none of that content. */
export async function findAsset(store: ObjectStore, tenant: Tenant, sha256: string): Promise<Image | undefined> {
  const key = assetKey(tenant, sha256);
  const info = await store.head(key);
  if (!info) return undefined;
  const { width, height } = info.custom;
  return {
    key,
    sha256,
    mime: info.contentType as ImageMime,
    bytes: info.bytes,
    width: Number(width),
    height: Number(height),
  };
}

function assetKey(tenant: Tenant, sha256: string): string {
  return `assets/${tenant}/${sha256}`;
}

/** Resolves references one after the other, so a request never holds more than one of them in memory. */
export async function resolveReferences(
  deps: ReferenceDeps,
  tenant: Tenant,
  references: ReferenceBody[],
): Promise<Reference[]> {
  const resolved: Reference[] = [];
  let total = 0;
  for (const [index, reference] of references.entries()) {
    const image = await locate(deps, tenant, reference, `references[${index}]`);
    total += image.bytes;
    if (total > TOTAL_BYTES_MAX) {
      throw new AppError('payload_too_large', {
        message: `references hold more than ${TOTAL_BYTES_MAX / 1_048_576} MB together.`,
        param: `references[${index}]`,
        fix: 'Send smaller images.',
      });
    }
    const { role, name } = reference;
    resolved.push({ ...image, ...(role && { role }), ...(name && { name }) });
  }
  return resolved;
}

async function locate(deps: ReferenceDeps, tenant: Tenant, reference: ReferenceBody, path: string): Promise<Image> {
  const { asset, url, gcs_uri, image, data } = reference;
  if (asset !== undefined) {
    const found = await findAsset(deps.store, tenant, asset.slice(4));
    return found ?? notThere(`${path}.asset`, 'names no asset of yours; upload it with POST /v1/assets');
  }
  if (image !== undefined) return earlierImage(deps, tenant, image, `${path}.image`);
  const [param, read] =
    url !== undefined
      ? ([`${path}.url`, () => fetchUrl(deps.safeFetch, url)] as const)
      : gcs_uri !== undefined
        ? ([`${path}.gcs_uri`, () => readGcs(deps.store, gcs_uri, `${path}.gcs_uri`)] as const)
        : ([`${path}.data`, async () => decodeDataUri(data ?? '', `${path}.data`)] as const);
  return naming(param, async () => storeAsset(deps.store, tenant, await read()));
}

async function fetchUrl(safeFetch: SafeFetch, url: string): Promise<Buffer> {
  const { bytes } = await safeFetch.download(url, { maxBytes: REFERENCE_BYTES_MAX });
  return bytes;
}

async function earlierImage(
  { ledger, store }: ReferenceDeps,
  tenant: Tenant,
  id: string,
  path: string,
): Promise<Image> {
  const parsed = parseImageId(id);
  const job = parsed && (await findJob({ ledger, store }, tenant, parsed.job));
  const image = job && [...job.state.images, ...job.state.lateImages].find(({ n }) => n === parsed?.n);
  if (!image) return notThere(path, 'names no image of yours');
  const { key, sha256, bytes, width, height } = image;
  return { key, sha256, bytes, width, height, mime: image.mime as ImageMime };
}

async function readGcs(store: ObjectStore, uri: string, path: string): Promise<Buffer> {
  if (!store.openUri) return notThere(path, 'needs STORAGE_URL=gs://…: this installation stores in a folder');
  const object = await store.openUri(uri);
  if (!object) return notThere(path, 'names no object this installation can read');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of object.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > REFERENCE_BYTES_MAX) {
      object.body.destroy();
      throw tooLarge(path);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function decodeDataUri(uri: string, path: string): Buffer {
  const base64 = uri.slice(uri.indexOf(',') + 1);
  if (base64.length > (REFERENCE_BYTES_MAX / 3) * 4 + 4) throw tooLarge(path);
  const bytes = Buffer.from(base64, 'base64');
  // Node drops what is not base64; what it kept must account for every character that was sent.
  if (bytes.length !== Math.floor((base64.replace(/=+$/, '').length * 3) / 4)) {
    throw new AppError('unsupported_media', { message: `${path} is not valid base64.`, param: path });
  }
  return bytes;
}

/** Adds the field's name to whatever was wrong with what `read` found in it. */
export async function naming<T>(param: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof AppError) || error.param || error.code === 'storage_unavailable') throw error;
    throw new AppError(error.code, {
      message: `${param}: ${error.message}`,
      param,
      retryable: error.retryable,
      ...(error.fix && { fix: error.fix }),
      cause: error,
    });
  }
}

function notThere(param: string, problem: string): never {
  throw new AppError('invalid_request', { message: `${param} ${problem}.`, param });
}

function tooLarge(param: string): AppError {
  return new AppError('payload_too_large', {
    message: `${param} is larger than ${REFERENCE_BYTES_MAX / 1_048_576} MB.`,
    param,
  });
}
