/** What the checks of the contract work with. */

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { LocalFile, ObjectStore } from '../../ports/object-store.ts';

/** A store, and what can be done to the world around it. What an endpoint cannot do is left out, and its checks are skipped. */
export type StoreUnderTest = {
  store: ObjectStore;
  /** The clock by which the store signs, and by which the server judges. */
  now: () => number;
  /** Moves both clocks. */
  advance?: (ms: number) => void;
  /** Takes the store away, and brings it back with everything in it. */
  outage?: { begin: () => Promise<void>; end: () => Promise<void> };
  /** Lets the next put be carried out and its answer be lost. */
  loseNextAnswer?: () => void;
  /** Whether files are served with `nosniff`. GCS does not send it: its files are of another origin than the API. */
  sendsNosniff: boolean;
  /** Whether a wrong signature is noticed. */
  checksSignatures: boolean;
  close: () => Promise<void>;
};

export type Kit = ReturnType<typeof createKit>;

export const PNG = { contentType: 'image/png' };

/** Stands for what this endpoint cannot do. */
export const unable = (): never => {
  throw new Error('this endpoint cannot do that');
};

/** Names of its own for every run, so that one bucket serves many. */
export function createKit(world: () => StoreUnderTest, folder: () => string) {
  const run = `contract/${randomUUID()}`;
  let count = 0;
  const newKey = (suffix = 'image.png'): string => `${run}/${count++}/${suffix}`;

  return {
    run,
    newKey,
    get world() {
      return world();
    },
    get store() {
      return world().store;
    },
    get folder() {
      return folder();
    },
    soon: (): number => world().now() + 15 * 60_000,
    localFile: async (bytes: Buffer): Promise<LocalFile> => {
      const path = join(folder(), randomUUID());
      await writeFile(path, bytes);
      return { path, bytes: bytes.length };
    },
    read: async (key: string, range?: { start: number; end?: number }): Promise<Buffer | undefined> => {
      const stream = await world().store.get(key, range);
      return stream && buffer(stream);
    },
    stored: async (contentType: string, bytes: Buffer, suffix?: string): Promise<string> => {
      const key = newKey(suffix);
      await world().store.put(key, bytes, { contentType });
      return key;
    },
  };
}
