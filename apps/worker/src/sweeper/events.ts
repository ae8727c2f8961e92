/** Events move on to the object store, and out of it in the end. In a loop of its own: a store may be slow. */

import type { Tenant } from '@darkroom/shared/domain';
import { type CrashPoint, describeError, type Log, withCrashPoints } from '@darkroom/shared/observability';
import type { Clock, Ledger, ObjectStore, RecentEvents } from '@darkroom/shared/ports';
import {
  type ArchiveEventsDeps,
  archiveEvents,
  createEventArchive,
  createEventLog,
  forgetEvents,
} from '@darkroom/shared/usecases';
import { each } from './each.ts';

export type EventSweepDeps = { ledger: Ledger; log: Log; events: ArchiveEventsDeps };

/** Adapters in, what a sweep of events works with out. */
export function eventSweepDeps(
  { ledger, log }: { ledger: Ledger; log: Log },
  events: { recent: RecentEvents; store: ObjectStore; clock: Clock; retentionMs: number; crash: CrashPoint },
): EventSweepDeps {
  const archive = withCrashPoints(createEventArchive(events.store), events.crash, { add: { after: 'events.written' } });
  const recent = withCrashPoints(events.recent, events.crash, { moved: { after: 'events.moved' } });
  return { ledger, log, events: { ...events, recent, archive, log: createEventLog({ ...events, archive }) } };
}

/** Moves all that is due, a part of each tenant in turn, until the signal. @returns how many parts were written */
export async function archiveEventsOnce(deps: EventSweepDeps, signal: AbortSignal): Promise<number> {
  let moved = 0;
  let behind = await deps.ledger.tenants();
  while (behind.length && !signal.aborted) {
    const more: Tenant[] = [];
    await eachTenant(deps, behind, 'events', async (tenant) => {
      if (signal.aborted || !(await archiveEvents(deps.events, tenant))) return;
      moved++;
      more.push(tenant);
    });
    behind = more;
  }
  return moved;
}

/** Deletes what is kept no longer. @returns how many parts went */
export async function forgetEventsOnce(deps: EventSweepDeps): Promise<number> {
  let gone = 0;
  await eachTenant(deps, await deps.ledger.tenants(), 'old_events', async (tenant) => {
    gone += await forgetEvents(deps.events, tenant);
  });
  return gone;
}

async function eachTenant(
  { log }: EventSweepDeps,
  tenants: Tenant[],
  step: string,
  act: (tenant: Tenant) => Promise<void>,
): Promise<void> {
  const failed = await each(tenants, 1, act);
  for (const { item, error } of failed) log.warn({ tenant: item, step, ...describeError(error) }, 'sweep.failed');
}
