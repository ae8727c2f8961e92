/** What the objects of a job are called in the object store. */

import { startOfDay } from './event.ts';
import { dayFolder, jobFolder } from './ids.ts';
import type { BatchId, JobId, ProviderBatchId, Tenant } from './job.ts';

const EXTENSIONS: Record<string, string> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

/** `results/2026/11/20/JOB/0-1a2b3c4d.jpg`: named by content, so storing it twice is storing it once. */
export function imageKey(tenant: Tenant, job: JobId, image: { n: number; sha256: string; mime: string }): string {
  return `results/${jobFolder(tenant, job)}/${image.n}-${image.sha256.slice(0, 8)}.${EXTENSIONS[image.mime] ?? 'bin'}`;
}

/** The small WebP beside an image. */
export function thumbnailKey(imageObjectKey: string): string {
  return `${imageObjectKey.replace(/\.[a-z]+$/, '')}.thumb.webp`;
}

/** `jobs/2026/11/20/JOB.json`: the document of a job that left Redis. */
export function archiveKey(tenant: Tenant, job: JobId): string {
  return `jobs/${jobFolder(tenant, job)}.json`;
}

/** Objects of a batch lie under its own folder: `batches/BATCH/input-00000.jsonl`, `errors.csv`, `manifest.jsonl` … */
export function batchKey(batch: BatchId, name: string): string {
  return `batches/${batch}/${name}`;
}

/** Input shard `n`, counted from 0. */
export function shardKey(batch: BatchId, n: number): string {
  return batchKey(batch, `input-${String(n).padStart(5, '0')}.jsonl`);
}

/** What went to the provider and what came back, kept raw. */
export function providerBatchKey(id: ProviderBatchId, name: 'responses.jsonl' | 'record.json'): string {
  return `provider-batches/${id}/${name}`;
}

/** `events/TENANT/2026/11/20/00000.jsonl`: part `n` of a day's events, counted from 0. @param day as `dayOf` counts */
export function eventsKey(tenant: Tenant, day: number, n: number): string {
  return `events/${tenant}/${dayFolder(startOfDay(day))}/${String(n).padStart(5, '0')}.jsonl`;
}
