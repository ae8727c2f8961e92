/**
 * Events move from Redis to the object store, and out of it when they are too old.
 *
 * A page is written first and the border is moved after it: a crash between the two leaves a page in both places, of which
 * readers see one, since they read the archive as far as the border only. Whoever comes next finds the page written and
 * moves the border. Two that do it at once get the same number for their part, and one of them is told of the other's.
 */

import { dayOf, eventId, type LoggedEvent, type Tenant } from '../domain/index.ts';
import type { Clock, EventLog, RecentEvents } from '../ports/index.ts';
import type { EventArchive } from './event-archive.ts';

export type ArchiveEventsDeps = { recent: RecentEvents; archive: EventArchive; log: EventLog; clock: Clock };

/** More than these of a tenant do not stay in Redis: some 100 bytes each. */
const RECENT_MAX = 4_000;
/** Most events of a part. */
const PART_MAX = 4_000;
/** A day moves as a whole once it has been over for so long: a quiet tenant gets one part a day. */
const DAY_OVER_MS = 6 * 3_600_000;

/** Moves one part, if one is due. @returns whether another may be */
export async function archiveEvents(deps: ArchiveEventsDeps, tenant: Tenant): Promise<boolean> {
  const { recent, archive } = deps;
  const { events, border } = await recent.after(tenant, undefined, 1);
  if (border === undefined) await findBorder(deps, tenant);
  const [oldest] = events;
  if (!oldest || !(await isDue(deps, tenant, oldest))) return false;
  const page = (await recent.after(tenant, undefined, PART_MAX)).events;
  const [first, ...rest] = page.filter(({ at }) => dayOf(at) === dayOf(page[0]?.at ?? 0));
  if (!first) return false;
  const last = await archive.add(tenant, [first, ...rest]);
  await recent.moved(tenant, last);
  return true;
}

/** Half a part at least is too much, since each part costs a write, and every look-up a step; or the day is over. */
async function isDue({ recent, clock }: ArchiveEventsDeps, tenant: Tenant, oldest: LoggedEvent): Promise<boolean> {
  if (dayOf(oldest.at) < dayOf(clock.now() - DAY_OVER_MS)) return true;
  return (await recent.size(tenant)) >= RECENT_MAX + PART_MAX / 2;
}

/** After a loss of Redis, or before anything was archived: the archive itself tells how far it reaches. */
async function findBorder({ recent, archive, log, clock }: ArchiveEventsDeps, tenant: Tenant): Promise<void> {
  for (let day = dayOf(clock.now()) + 1; day >= dayOf(log.keptSince()); day--) {
    const last = await archive.lastOf(tenant, day);
    if (last) return recent.moved(tenant, last);
  }
  return recent.moved(tenant, eventId(tenant, { ms: 0, seq: 0 }));
}

/** Days behind the oldest one kept that are looked at for what a sweeper that was away for long left. */
const LOOK_BACK_DAYS = 30;

/** Deletes what is older than events are kept. @returns how many parts went */
export async function forgetEvents({ archive, log }: ArchiveEventsDeps, tenant: Tenant): Promise<number> {
  const kept = dayOf(log.keptSince());
  let gone = 0;
  // The oldest first, so that what is left is never without what comes before it.
  for (let day = kept - LOOK_BACK_DAYS; day < kept; day++) gone += await archive.forget(tenant, day);
  return gone;
}
