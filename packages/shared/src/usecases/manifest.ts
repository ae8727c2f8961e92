/** What became of every row of a batch: one record each, joined by key. */

import { type Batch, costOf, formatMicros, laneOf } from '../domain/index.ts';
import type { ObjectStore } from '../ports/index.ts';
import { csvLine } from './ingest/csv-cell.ts';
import { type Item, itemStatus } from './list-items.ts';

export const MANIFEST_COLUMNS = [
  'key',
  'status',
  'image_uri',
  'width',
  'height',
  'bytes',
  'sha256',
  'mime',
  'model',
  'lane',
  'channel',
  'attempts',
  'cost',
  'error_code',
] as const;

/** `null` where there is nothing to say (yet). Money in dollars, as a decimal string. */
export type ManifestRow = Record<(typeof MANIFEST_COLUMNS)[number], string | number | null>;

export function manifestRow(store: Pick<ObjectStore, 'uri'>, batch: Batch, item: Item): ManifestRow {
  const { row, job } = item;
  const image = job?.state.images[0];
  const attempt = job?.state.attempts.at(-1);
  return {
    key: row.key,
    status: itemStatus(batch, item),
    image_uri: image ? store.uri(image.key) : null,
    width: image?.width ?? null,
    height: image?.height ?? null,
    bytes: image?.bytes ?? null,
    sha256: image?.sha256 ?? null,
    mime: image?.mime ?? null,
    model: attempt?.model ?? row.request.model,
    lane: attempt?.lane ?? (job ? laneOf(job) : batch.route.lane),
    channel: attempt?.channel ?? null,
    attempts: job?.state.attempts.length ?? 0,
    cost: formatMicros(job ? costOf(job.state).actual : 0),
    error_code: job?.state.error?.code ?? null,
  };
}

export const MANIFEST_HEADER = csvLine(MANIFEST_COLUMNS);

export function manifestLine(row: ManifestRow): string {
  return csvLine(MANIFEST_COLUMNS.map((column) => String(row[column] ?? '')));
}
