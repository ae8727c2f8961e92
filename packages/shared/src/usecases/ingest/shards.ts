/** Rows on their way into the object store: as JSON lines, a shard at a time, while more of them come. */

import { type BatchId, type BatchRow, shardKey } from '../../domain/index.ts';
import type { ObjectStore } from '../../ports/index.ts';

const SHARD_ROWS = 1_000;
const SHARD_BYTES = 8 * 1_048_576;
/** Enough for rows as they mostly are. */
const START_BYTES = 1_048_576;
/** Of one UTF-16 unit. */
const UTF8_BYTES_MAX = 3;

export type Shard = { rows: number; bytes: number };

export type ShardWriter = {
  /** A promise only when a shard is full and the one before it is not yet stored: at most two are in memory. */
  add(row: Omit<BatchRow, 'at' | 'bytes'>): Promise<void> | undefined;
  /** Stores what is left. */
  end(): Promise<Shard[]>;
} & AsyncDisposable;

/** Disposed of, it has nothing on its way any more: whoever deletes its shards then deletes all of them. */
export function createShardWriter(store: ObjectStore, batch: BatchId): ShardWriter {
  const shards: Shard[] = [];
  // Bytes in one place, not strings until the shard is full: those would outlive every quick collection of garbage.
  let bytes = Buffer.allocUnsafe(START_BYTES);
  // The two take turns: memory outside the heap is given back late.
  let spare = Buffer.alloc(0);
  let rows = 0;
  let length = 0;
  let storing: Promise<void> = Promise.resolve();
  const append = (line: string) => {
    const most = length + line.length * UTF8_BYTES_MAX;
    if (most > bytes.length) bytes = Buffer.concat([bytes.subarray(0, length)], Math.max(most, 2 * bytes.length));
    length += bytes.write(line, length);
    rows++;
  };
  const flush = async (): Promise<void> => {
    const body = bytes.subarray(0, length);
    const key = shardKey(batch, shards.length);
    shards.push({ rows, bytes: length });
    rows = 0;
    length = 0;
    await storing;
    [bytes, spare] = [spare.length ? spare : Buffer.allocUnsafe(START_BYTES), bytes];
    storing = store.put(key, body, { contentType: 'application/x-ndjson' }).then(() => undefined);
    // Whoever comes next is told; until then nobody waits, and that is no fault.
    storing.catch(() => undefined);
  };
  return {
    add: (row) => {
      append(`${JSON.stringify(row)}\n`);
      return rows >= SHARD_ROWS || length >= SHARD_BYTES ? flush() : undefined;
    },
    end: async () => {
      if (rows) await flush();
      await storing;
      return shards;
    },
    [Symbol.asyncDispose]: () => storing.catch(() => undefined),
  };
}
