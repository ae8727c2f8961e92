/** The references of a batch's rows: each source is looked up once, however many rows name it. */

import { hash } from 'node:crypto';
import { AppError, type Reference } from '../../domain/index.ts';
import type { ReferenceBody } from '../../schemas/index.ts';
import { TOTAL_BYTES_MAX } from '../references.ts';

/** Looked up side by side. */
const WIDTH = 8;
/** Remembered; the one that was asked for longest ago is forgotten first. */
const KEPT = 10_000;

type Image = Omit<Reference, 'role' | 'name'>;

export type ReferenceCache = {
  /** Looks up what is not known yet. @throws what is no fault of the reference, such as a store that is away */
  load(references: ReferenceBody[]): Promise<void>;
  /** Of one row, all of them loaded just before. @throws AppError naming the first that cannot be used */
  of(references: ReferenceBody[]): Reference[];
};

export function createReferenceCache(resolve: (reference: ReferenceBody) => Promise<Reference>): ReferenceCache {
  const kept = new Map<string, Image | AppError>();
  // What one call of `load` was asked for stays until the next, however much that is.
  let current = new Map<string, Image | AppError>();
  const lookUp = async (source: string, reference: ReferenceBody) => {
    const known = kept.get(source) ?? (await resolve(reference).catch(asRefusal));
    current.set(source, known);
    kept.delete(source);
    kept.set(source, known);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value ?? '');
  };
  return {
    load: async (references) => {
      current = new Map();
      const wanted = new Map(references.map((reference) => [nameOf(reference), reference]));
      const rest = wanted.entries();
      const run = async () => {
        for (const [source, reference] of rest) await lookUp(source, reference);
      };
      await Promise.all(Array.from({ length: Math.min(WIDTH, wanted.size) }, run));
    },
    of: (references) => {
      let total = 0;
      return references.map((reference, index) => {
        const image = current.get(nameOf(reference));
        if (!image) throw new Error('a reference was not loaded');
        if (image instanceof AppError) throw at(index, image);
        total += image.bytes;
        if (total > TOTAL_BYTES_MAX) throw at(index, tooLarge());
        const { role, name } = reference;
        return { ...image, ...(role && { role }), ...(name && { name }) };
      });
    },
  };
}

/** By its source alone: what it is for changes nothing of the bytes. */
function nameOf({ asset, url, gcs_uri, image, data }: ReferenceBody): string {
  if (data !== undefined) return `data ${hash('sha256', data, 'base64url')}`;
  return asset ?? image ?? gcs_uri ?? url ?? '';
}

/** What is wrong with the reference is remembered too: a dead address in every row is asked once. */
function asRefusal(error: unknown): AppError {
  if (error instanceof AppError && error.code !== 'storage_unavailable') return error;
  throw error;
}

/** The refusal as one about the row: it was looked up as the only reference of a job. */
function at(index: number, error: AppError): AppError {
  const param = error.param?.replace(/^references\[\d+\]/, `references[${index}]`) ?? `references[${index}]`;
  const message = error.message.replaceAll(/references\[\d+\]/g, `references[${index}]`);
  return new AppError(error.code, { message, param, cause: error });
}

function tooLarge(): AppError {
  return new AppError('payload_too_large', {
    message: `references hold more than ${TOTAL_BYTES_MAX / 1_048_576} MB together.`,
  });
}
