/** The callers' batches: rows become jobs, counts become statuses, and what a caller asks for is done to every row. */

import type { BatchId, Tenant } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import { archiveBatch, loadBatch, mindBatch, type SweepBatchDeps, sweepBatch } from '@darkroom/shared/usecases';
import { each } from '../sweeper/each.ts';
import { loop } from '../sweeper/loop.ts';

export type BatchesDeps = SweepBatchDeps & {
  log: Log;
  /** Aborted when the process begins to stop: no new step is begun. */
  draining: AbortSignal;
};

type Named = { tenant: Tenant; id: BatchId };

/** Of a loop with nothing to do. */
const STEP_MS = 500;
const MIND_MS = 1_000;
const ARCHIVE_MS = 10_000;
/** Batches of one kind of work side by side; of each, one step at a time, so that a large one holds up no other. */
const WIDTH = 4;
/** What a dead worker was at is taken over after this; far more than a step takes. */
const HOLD_MS = 30_000;
/** A batch that a step failed for is left alone for so long. */
const AGAIN_MS = 15_000;
const PAGE = 100;

/** Runs until draining; any number of workers may. */
export function runBatches(deps: BatchesDeps): Promise<void>[] {
  const { log, draining } = deps;
  const load = createSteps(deps, 'load', (tenant, id) => loadBatch(deps, tenant, id));
  const sweep = createSteps(deps, 'sweep', (tenant, id) => sweepBatch(deps, tenant, id));
  return [
    loop('load', STEP_MS, load, log, draining),
    loop('mind', MIND_MS, () => mindOnce(deps), log, draining),
    loop('sweep-batches', STEP_MS, sweep, log, draining),
    loop('archive-batches', ARCHIVE_MS, () => archiveOnce(deps), log, draining),
  ];
}

/**
 * @returns one round: a step of each open batch in turn, until none has another one to make. However long one of them
 * keeps the round going, all are looked at as often as by a loop with nothing to do.
 */
function createSteps(
  deps: BatchesDeps,
  work: 'load' | 'sweep',
  step: (tenant: Tenant, id: BatchId) => Promise<boolean>,
): () => Promise<void> {
  const { batches, clock, draining } = deps;
  const leftAlone = new Map<BatchId, number>();
  const lookAtAll = async () => {
    const now = clock.now();
    // A clock may be set back; nothing is left alone longer for it.
    for (const [id, until] of leftAlone) if (until <= now || until > now + AGAIN_MS) leftAlone.delete(id);
    return (await batches.open()).filter(({ id }) => !leftAlone.has(id));
  };
  return async () => {
    let lookedAt = clock.now();
    let behind = await lookAtAll();
    while (behind.length && !draining.aborted) {
      const next: Named[] = [];
      const failed = await each(behind, WIDTH, async (batch) => {
        await using held = await batches.hold(batch.tenant, batch.id, work, HOLD_MS);
        if (held && (await step(batch.tenant, batch.id))) next.push(batch);
      });
      for (const { item, error } of failed) {
        leftAlone.set(item.id, clock.now() + AGAIN_MS);
        deps.log.warn({ tenant: item.tenant, batch: item.id, work, ...describeError(error) }, 'batch.step_failed');
      }
      behind = next;
      if (!next.length || Math.abs(clock.now() - lookedAt) < STEP_MS) continue;
      lookedAt = clock.now();
      behind = await lookAtAll();
    }
  };
}

/** One look at every open batch. */
async function mindOnce(deps: BatchesDeps): Promise<void> {
  const failed = await each(await deps.batches.open(), WIDTH, async ({ tenant, id }) => {
    const minded = await mindBatch(deps, tenant, id);
    if (!minded) return;
    const { status, pausedBy } = minded.batch;
    for (const event of minded.events) deps.log.info({ tenant, batch: id, status, pausedBy }, event);
  });
  tell(deps, 'mind', failed);
}

/** Batches whose tail is over leave Redis. */
async function archiveOnce(deps: BatchesDeps): Promise<void> {
  for (const tenant of await deps.ledger.tenants()) {
    const due = await deps.batches.dueRetention(tenant, deps.clock.now(), PAGE);
    const failed = await each(
      due.map((id) => ({ tenant, id })),
      WIDTH,
      ({ id }) => archiveBatch(deps, tenant, id),
    );
    tell(deps, 'archive', failed);
  }
}

function tell({ log }: BatchesDeps, work: string, failed: { item: Named; error: unknown }[]): void {
  for (const { item, error } of failed) {
    log.warn({ tenant: item.tenant, batch: item.id, work, ...describeError(error) }, 'batch.step_failed');
  }
}
