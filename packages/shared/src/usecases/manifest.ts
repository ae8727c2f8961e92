/** What became of every row of a batch: one record each, joined by key. */

import {
  type Batch,
  costOf,
  formatMicros,
  type Job,
  type JobError,
  laneOf,
  type StoredImage,
} from '../domain/index.ts';
import type { ObjectStore } from '../ports/index.ts';
import { MANIFEST_COLUMNS, type ManifestRow } from '../schemas/index.ts';
import { csvLine } from './ingest/csv-cell.ts';
import { type Item, itemStatus } from './list-items.ts';

export type ManifestDeps = {
  store: Pick<ObjectStore, 'uri'>;
  /** Where callers reach the API: a manifest is read on other machines than this one. */
  publicUrl: string;
};

/** A row of the batch, as far as it has come. @see ManifestRow */
export function manifestRow({ store, publicUrl }: ManifestDeps, batch: Batch, item: Item): ManifestRow {
  const { row, job } = item;
  const image = job?.state.images[0];
  const attempt = job?.state.attempts.at(-1);
  const late = job?.state.lateImages.map((one) => imageUrl(publicUrl, job, one));
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
    error_message: job?.state.error ? messageOf(job.state.error) : null,
    image_url: job && image ? imageUrl(publicUrl, job, image) : null,
    late_image_urls: late?.length ? late.join(' ') : null,
  };
}

/** By the job, not signed: a link that ends after minutes is of no use in a file. */
function imageUrl(publicUrl: string, { id }: Job, { n }: StoredImage): string {
  return `${publicUrl.replace(/\/+$/, '')}/v1/jobs/${encodeURIComponent(id)}/images/${n}`;
}

/** What is told of a job's error, and the model's own words where there are some. */
function messageOf({ detail, upstream }: JobError): string {
  return upstream?.message ? `${detail.replace(/\.$/, '')}. ${upstream.message}` : detail;
}

export const MANIFEST_HEADER = csvLine(MANIFEST_COLUMNS);

export function manifestLine(row: ManifestRow): string {
  return csvLine(MANIFEST_COLUMNS.map((column) => String(row[column] ?? '')));
}
