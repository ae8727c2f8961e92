/**
 * Buckets and what lies in them.
 *
 * A commit checks its preconditions and writes in one synchronous step, so of several racing writers exactly one wins.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from './crc32c.ts';
import { conditionNotMet, invalid, notFound, Refusal } from './errors.ts';

/** The fields of an object that its writer chooses. */
export type Description = {
  contentType?: string;
  contentDisposition?: string;
  contentEncoding?: string;
  cacheControl?: string;
  metadata?: Record<string, string>;
  /** Declared checksums: the write is refused when the bytes are others. */
  md5Hash?: string;
  crc32c?: string;
};

export type StoredObject = {
  bucket: string;
  name: string;
  description: Description;
  size: number;
  md5Hash: string;
  crc32c: string;
  generation: number;
  metageneration: number;
  createdAt: number;
  updatedAt: number;
  read(): Buffer;
  drop(): void;
};

export type Preconditions = {
  ifGenerationMatch?: number;
  ifGenerationNotMatch?: number;
  ifMetagenerationMatch?: number;
  ifMetagenerationNotMatch?: number;
};

export type Buckets = ReturnType<typeof createBuckets>;

/** Buckets in memory; with `folder`, their bytes lie in files there. */
export function createBuckets({ folder, now }: { folder?: string; now: () => number }) {
  const buckets = new Map<string, Map<string, StoredObject>>();
  let lastGeneration = 0;

  const bucket = (name: string): Map<string, StoredObject> => {
    const found = buckets.get(name);
    if (!found) throw notFound('The specified bucket does not exist.');
    return found;
  };

  const find = (name: string, object: string): StoredObject | undefined => bucket(name).get(object);

  const nextGeneration = (): number => {
    lastGeneration = Math.max(lastGeneration + 1, now() * 1000);
    return lastGeneration;
  };

  return {
    has: (name: string) => buckets.has(name),
    create: (name: string) => {
      if (buckets.has(name))
        throw new Refusal(409, 'conflict', 'Your previous request to create the bucket succeeded.');
      buckets.set(name, new Map());
    },
    find,
    get: (name: string, object: string): StoredObject => {
      const found = find(name, object);
      if (!found) throw notFound(`No such object: ${name}/${object}`);
      return found;
    },
    all: (name: string): StoredObject[] => [...bucket(name).values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    check: (name: string, object: string, preconditions: Preconditions) =>
      checkPreconditions(find(name, object), preconditions),
    commit: (name: string, object: string, bytes: Buffer, description: Description, preconditions: Preconditions) => {
      const md5Hash = createHash('md5').update(bytes).digest('base64');
      const sum = crc32c(bytes);
      refuseOtherBytes(description, md5Hash, sum);
      const old = find(name, object);
      checkPreconditions(old, preconditions);
      const stored: StoredObject = {
        bucket: name,
        name: object,
        description,
        size: bytes.length,
        md5Hash,
        crc32c: sum,
        generation: nextGeneration(),
        metageneration: 1,
        createdAt: now(),
        updatedAt: now(),
        ...keep(bytes, folder),
      };
      bucket(name).set(object, stored);
      old?.drop();
      return stored;
    },
    patch: (name: string, object: string, changes: Description, preconditions: Preconditions): StoredObject => {
      const found = find(name, object);
      checkPreconditions(found, preconditions);
      if (!found) throw notFound(`No such object: ${name}/${object}`);
      found.description = {
        ...found.description,
        ...changes,
        metadata: { ...found.description.metadata, ...changes.metadata },
      };
      found.metageneration += 1;
      found.updatedAt = now();
      return found;
    },
    remove: (name: string, object: string, preconditions: Preconditions) => {
      const found = find(name, object);
      checkPreconditions(found, preconditions);
      if (!found) throw notFound(`No such object: ${name}/${object}`);
      bucket(name).delete(object);
      found.drop();
    },
  };
}

function keep(bytes: Buffer, folder: string | undefined): Pick<StoredObject, 'read' | 'drop'> {
  if (folder === undefined) return { read: () => bytes, drop: () => undefined };
  const path = join(folder, randomUUID());
  writeFileSync(path, bytes);
  return { read: () => readFileSync(path), drop: () => rmSync(path, { force: true }) };
}

function refuseOtherBytes(declared: Description, md5Hash: string, sum: string): void {
  if (declared.md5Hash !== undefined && declared.md5Hash !== md5Hash) {
    throw invalid(`Provided MD5 hash "${declared.md5Hash}" doesn't match calculated MD5 hash "${md5Hash}".`);
  }
  if (declared.crc32c !== undefined && declared.crc32c !== sum) {
    throw invalid(`Provided CRC32C "${declared.crc32c}" doesn't match calculated CRC32C "${sum}".`);
  }
}

function checkPreconditions(found: StoredObject | undefined, wanted: Preconditions): void {
  const generation = found?.generation ?? 0;
  const metageneration = found?.metageneration ?? 0;
  const holds =
    (wanted.ifGenerationMatch === undefined || wanted.ifGenerationMatch === generation) &&
    (wanted.ifGenerationNotMatch === undefined || wanted.ifGenerationNotMatch !== generation) &&
    (wanted.ifMetagenerationMatch === undefined || wanted.ifMetagenerationMatch === metageneration) &&
    (wanted.ifMetagenerationNotMatch === undefined || wanted.ifMetagenerationNotMatch !== metageneration);
  if (!holds) throw conditionNotMet();
}
