/**
 * Finished jobs whose tail is over move from Redis to the object store.
 *
 * In a loop of its own: a store that is slow or hangs delays nothing but this.
 */

import type { Tenant } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Clock, Ledger, ObjectStore } from '@darkroom/shared/ports';
import { archiveJob } from '@darkroom/shared/usecases';
import { each, worthTelling } from './each.ts';

export type ArchiveDeps = { ledger: Ledger; store: ObjectStore; clock: Clock; log: Log };

/** Records of one page, and documents written side by side: a write takes a store in another place some 50 ms. */
const PAGE = 200;
const WIDTH = 8;
/** What cannot move now is looked at again after this, so that the next ones get their turn. */
const AGAIN_MS = 600_000;

/** Moves all that is due, a page of each tenant in turn, until the signal. @returns how many jobs left Redis */
export async function archiveOnce(deps: ArchiveDeps, signal: AbortSignal): Promise<number> {
  let moved = 0;
  let behind = await deps.ledger.tenants();
  while (behind.length && !signal.aborted) {
    const full: Tenant[] = [];
    const failed = await each(behind, 1, async (tenant) => {
      const page = await archivePage(deps, tenant, signal);
      moved += page.moved;
      if (page.full) full.push(tenant);
    });
    for (const { item, error } of failed)
      deps.log.warn({ tenant: item, step: 'archive', ...describeError(error) }, 'sweep.failed');
    behind = full;
  }
  return moved;
}

async function archivePage(deps: ArchiveDeps, tenant: Tenant, signal: AbortSignal) {
  const { ledger, clock, log } = deps;
  const ids = await ledger.dueRetention(tenant, clock.now(), PAGE);
  const later = (id: string) => ledger.retainUntil(tenant, id, clock.now() + AGAIN_MS);
  let moved = 0;
  const failed = await each(ids, WIDTH, async (id) => {
    if (signal.aborted) return;
    const job = await ledger.read(tenant, id);
    if (job && (await archiveJob(deps, job))) moved++;
    else await later(id);
  });
  for (const { item, error } of worthTelling(failed))
    log.warn({ tenant, job: item, step: 'archive', ...describeError(error) }, 'sweep.failed');
  for (const { item } of failed) await later(item);
  return { moved, full: ids.length === PAGE };
}
