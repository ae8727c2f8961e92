import { type Batch, type BatchRow, shardKey } from '../domain/index.ts';
import { createLineSplitter, type Line } from '../ingest/index.ts';
import type { ObjectStore } from '../ports/index.ts';

/** Far above what a row may have when it is accepted. */
const LINE_BYTES_MAX = 32 * 1_048_576;

/**
 * The rows from `from` to before `to`, out of their shards, read as they are asked for.
 *
 * @throws Error when a shard is missing, cut or no shard at all: a batch is accepted only once all of them are at rest
 */
export async function* readRows(store: ObjectStore, batch: Batch, from: number, to: number): AsyncGenerator<BatchRow> {
  let first = 0;
  for (const [shard, { rows }] of batch.shards.entries()) {
    if (first >= to) return;
    if (first + rows > from) {
      let n = first;
      for await (const row of readShard(store, batch, shard)) {
        if (n >= to) return;
        if (n >= from) yield { ...row, n };
        n++;
      }
      if (n < first + rows) throw new Error(`${shardKey(batch.id, shard)} has ${n - first} of ${rows} rows`);
    }
    first += rows;
  }
}

/** The row behind the last one of the shard that holds row `n`: a good place to end a step at. */
export function endOfShard({ shards }: Batch, n: number): number {
  let end = 0;
  for (const { rows } of shards) {
    end += rows;
    if (end > n) break;
  }
  return end;
}

async function* readShard(store: ObjectStore, batch: Batch, shard: number): AsyncGenerator<BatchRow> {
  const key = shardKey(batch.id, shard);
  const body = await store.get(key);
  if (!body) throw new Error(`${key} is missing`);
  const splitter = createLineSplitter(LINE_BYTES_MAX);
  for await (const chunk of body) yield* splitter.push(chunk as Buffer).map((line) => parseRow(line, key));
  yield* splitter.end().map((line) => parseRow(line, key));
}

/** Written by this program from this very type; a shard is not an edge. */
function parseRow(line: Line, key: string): BatchRow {
  if ('tooLong' in line) throw new Error(`${key} has a line of more than ${LINE_BYTES_MAX} bytes`);
  return JSON.parse(line.text) as BatchRow;
}
