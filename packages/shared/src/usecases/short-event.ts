/** Jobs and batches in short, so that an event stays below 20 kB whatever they hold. Pure. */

import type { BatchEventData, BatchView, JobEventData, JobView } from '../schemas/index.ts';

/** Of an event as JSON, in bytes, less what stands around its data. */
const BYTES_MAX = 20_000 - 200;
/** What of the caller's own goes along, in bytes. */
const METADATA_BYTES_MAX = 6_000;
/** Characters of an error's detail, which may have the provider's own words. */
const DETAIL_MAX = 1_000;
/** Late images that go along: there is one for each call that was given up. */
const LATE_MAX = 3;
/** What is left out first of what is still too long. */
const DROPPED = ['metadata', 'late_images', 'tags'] as const;

/** Field by field: what a view gets one day must not ride along unseen. */
export function shortJob(view: JobView): JobEventData {
  const { id, status, phase, lane, route, model, size, batch, key, cost, tags, images, urls } = view;
  const { created_at, started_at, completed_at, deduplicated_of, late_images: late, error } = view;
  return fitting({
    id,
    status,
    ...(phase && { phase }),
    lane,
    ...(route && { route }),
    model,
    size,
    ...(batch && { batch }),
    ...(key !== undefined && { key }),
    created_at,
    ...(started_at && { started_at }),
    ...(completed_at && { completed_at }),
    cost,
    ...(deduplicated_of && { deduplicated_of }),
    tags,
    ...ifShort(view.metadata),
    images,
    ...(late && { late_images: late.slice(0, LATE_MAX) }),
    ...(error && { error: shortError(error) }),
    urls,
  });
}

/** Without what the provider said. */
function shortError(error: NonNullable<JobView['error']>): NonNullable<JobEventData['error']> {
  const { upstream: _, ...short } = error;
  return { ...short, detail: short.detail.slice(0, DETAIL_MAX).toWellFormed() };
}

/** Without its provider batches, which may be hundreds, and its own webhook. */
export function shortBatch(view: BatchView): BatchEventData {
  const { provider_batches: _, route: __, priority: ___, webhook: ____, metadata, ...short } = view;
  return fitting({ ...short, ...ifShort(metadata) });
}

function ifShort(metadata: Record<string, string>): { metadata?: Record<string, string> } {
  return Buffer.byteLength(JSON.stringify(metadata)) > METADATA_BYTES_MAX ? {} : { metadata };
}

function fitting<D extends JobEventData | BatchEventData>(data: D): D {
  return DROPPED.reduce((short, name) => (isShort(short) ? short : without(short, name)), data);
}

function isShort(data: object): boolean {
  return Buffer.byteLength(JSON.stringify(data)) < BYTES_MAX;
}

/** All of these may be left out. */
function without<D extends object>(data: D, dropped: (typeof DROPPED)[number]): D {
  return Object.fromEntries(Object.entries(data).filter(([name]) => name !== dropped)) as D;
}
