/** What the objects of a job are called in the object store. */

import { jobFolder } from './ids.ts';
import type { JobId, Tenant } from './job.ts';

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
