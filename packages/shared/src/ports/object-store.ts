import type { Readable } from 'node:stream';

/** What an object is, beside its bytes. `custom` holds short ASCII strings (GCS custom metadata). */
export type ObjectInfo = {
  key: string;
  bytes: number;
  contentType: string;
  /** Unsigned CRC32C of the bytes. */
  crc32c: number;
  custom: Record<string, string>;
};

export type PutOptions = {
  contentType: string;
  custom?: Record<string, string>;
  /** CRC32C of the bytes when the caller already knows it: saves reading them twice, and is checked where the store can. */
  crc32c?: number;
};

/** `exists` = the name was taken already by the very same bytes: as good as `created`. */
export type PutResult = 'created' | 'exists';

/** A file already on this machine's disk, whose bytes nobody changes any more. */
export type LocalFile = { path: string; bytes: number };

/**
 * Bytes at rest, each object written once under a name that is never used for other bytes.
 *
 * Keys are relative paths of `[A-Za-z0-9_.:~=-]` segments joined by `/`; no segment is `.` or `..`.
 * Every adapter passes `objectStoreContract`.
 */
export type ObjectStore = {
  /**
   * Stores the bytes unless the name is taken (`ifGenerationMatch: 0`).
   *
   * @throws AppError `object_conflict` when the name holds other bytes: nothing is overwritten
   * @throws AppError `storage_unavailable` (retryable) when the store cannot be reached or is full
   */
  put(key: string, body: Buffer | LocalFile, options: PutOptions): Promise<PutResult>;
  /** The object's description, or `undefined` when there is none. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Streams the object (from `start`, to `end` inclusive), or `undefined` when there is none. */
  get(key: string, range?: { start: number; end?: number }): Promise<Readable | undefined>;
  /** Deletes the object. Safe to send twice. */
  delete(key: string): Promise<void>;
  /** A URL that anybody may GET until `expiresAt` (epoch ms), at most 24 h ahead. */
  signedUrl(key: string, options: { expiresAt: number; downloadName?: string }): Promise<string>;
  /** The address of an object for a person or a manifest: `gs://bucket/…` or `file:///…`. */
  uri(key: string): string;
  /**
   * Reads the object behind a foreign `gs://bucket/name` uri; `undefined` when it is missing. Only GCS has it.
   *
   * @throws AppError `invalid_request` for a bucket that callers may not read, the store's own above all
   */
  openUri?(uri: string): Promise<{ bytes: number; body: Readable } | undefined>;
  /** Answers whether the store can take writes right now; never throws. */
  healthy(): Promise<boolean>;
};
