/** Ids: a prefix and a UUIDv7 in hex, so they sort by time and the day they name tells where the archive keeps them. */

import { createHash } from 'node:crypto';

export type IdPrefix = 'job' | 'att' | 'req' | 'bat' | 'pb' | 'tpl' | 'quo' | 'act' | 'whe';

const GENERATED = /^job_[0-9a-f]{12}7[0-9a-f]{19}$/;
const UTC_DAY = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'UTC',
  year: 'numeric',
  month: '2-digit',
  day: '2-digit',
});
/** The first day that has no four-digit year: an id that claims it was not made here. */
const YEAR_10000 = 253_402_300_800_000;
const CALLERS = /^[A-Za-z0-9_.:-]{1,128}$/;

/**
 * @param uuid a UUIDv7 in its usual dashed form
 * @param at the instant that the id names, in epoch milliseconds, when the clock it was made by is not the host's
 */
export function idFrom(prefix: IdPrefix, uuid: string, at?: number): string {
  const digits = uuid.replaceAll('-', '');
  return `${prefix}_${at === undefined ? digits : at.toString(16).padStart(12, '0') + digits.slice(12)}`;
}

export function isJobId(id: string): boolean {
  return CALLERS.test(id);
}

/** Made here, not chosen by a caller. */
export function isGeneratedJobId(id: string): boolean {
  return GENERATED.test(id) && timeOfId(id) < YEAR_10000;
}

/** Epoch milliseconds inside a generated id. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(id.indexOf('_') + 1, id.indexOf('_') + 13), 16);
}

/** `2026/11/20` for an instant of that day. */
export function dayFolder(at: number): string {
  return UTC_DAY.format(at).replaceAll('-', '/');
}

/** A folder's name stays well below the 200 characters of a key's segment, so that a file may be named after it. */
const FOLDER_MAX = 128;

/**
 * The folder of a job's objects: `2026/11/20/JOB` for a generated id, `own/TENANT/JOB` for a caller's, because two
 * tenants may choose the same one. Every `.` and `:` of a caller's id is escaped, so no id is a path of its own, and
 * every capital, since there are disks to which `A` and `a` are one name; a hash stands in for an id that grows too
 * long by it.
 */
export function jobFolder(tenant: string, id: string): string {
  if (isGeneratedJobId(id)) {
    return `${dayFolder(timeOfId(id))}/${id}`;
  }
  const escaped = id
    .replaceAll('~', '~~')
    .replaceAll('.', '~d')
    .replaceAll(':', '~c')
    .replaceAll(/[A-Z]/g, (capital) => `~_${capital.toLowerCase()}`);
  const name = escaped.length <= FOLDER_MAX ? escaped : `~h${createHash('sha256').update(id).digest('hex')}`;
  return `own/${tenant}/${name}`;
}

/** Names image `n` of a job; `parseImageId` undoes it, so no index of images is kept. */
export function imageId(job: string, n: number): string {
  return isGeneratedJobId(job) ? `img_${job.slice(4)}.${n}` : `img_~${job}.${n}`;
}

export function parseImageId(id: string): { job: string; n: number } | undefined {
  const match = /^img_(~[A-Za-z0-9_.:-]{1,128}|[0-9a-f]{32})\.(\d{1,3})$/.exec(id);
  if (!match?.[1] || match[2] === undefined) return undefined;
  const job = match[1].startsWith('~') ? match[1].slice(1) : `job_${match[1]}`;
  return { job, n: Number(match[2]) };
}
