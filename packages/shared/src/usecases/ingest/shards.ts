/** Rows on their way into the object store: as JSON lines, a shard at a time, while more of them come. */

import { type BatchId, type BatchRow, shardKey } from '../../domain/index.ts';
import type { ObjectStore } from '../../ports/index.ts';

export const SHARD_ROWS = 1_000;
const SHARD_BYTES = 8 * 1_048_576;

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
  let lines: string[] = [];
  let length = 0;
  let storing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    const body = Buffer.from(lines.join(''));
    const key = shardKey(batch, shards.length);
    shards.push({ rows: lines.length, bytes: body.length });
    lines = [];
    length = 0;
    await storing;
    storing = store.put(key, body, { contentType: 'application/x-ndjson' }).then(() => undefined);
    // Whoever comes next is told; until then nobody waits, and that is no fault.
    storing.catch(() => undefined);
  };
  return {
    add: (row) => {
      const line = `${JSON.stringify(row)}\n`;
      lines.push(line);
      length += line.length;
      return lines.length >= SHARD_ROWS || length >= SHARD_BYTES ? flush() : undefined;
    },
    end: async () => {
      if (lines.length) await flush();
      await storing;
      return shards;
    },
    [Symbol.asyncDispose]: () => storing.catch(() => undefined),
  };
}
