/**
 * Repairs: what a crash, a lost message or the passing of time left to be done.
 *
 * Each step reads a page of a list that the ledger's scripts keep, and ends in a version-checked write per record, so
 * any number of sweepers may run at once; what one does not finish stays on its list. A record that cannot be mended
 * holds up no other.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AttemptId,
  allowsPlaceholder,
  type EpochMs,
  expire,
  isAwaitingWake,
  type Job,
  type JobId,
  laneOf,
  type StoredImage,
  settle,
  type Tenant,
} from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Clock, Ledger, ObjectStore, Wake, WakeMessage, WakeQueue } from '@darkroom/shared/ports';
import {
  enqueueWakes,
  handOff,
  type Outbox,
  type PausedBatches,
  RECHECK_MS,
  toWake,
  updateJob,
} from '@darkroom/shared/usecases';
import type { WorkerMetrics } from '../metrics.ts';
import { makePlaceholder } from '../standard/placeholder.ts';
import { each, type Failed, worthTelling } from './each.ts';

export type SweepDeps = {
  ledger: Ledger;
  store: ObjectStore;
  queue: WakeQueue;
  outbox: Outbox;
  clock: Clock;
  random: () => number;
  isPaused: PausedBatches;
  /** Frees what a call held that was given up. */
  letGo: (job: Job, attempt: AttemptId) => Promise<void>;
  log: Log;
  /** Counts placeholders, where somebody asks for figures. */
  metrics?: Pick<WorkerMetrics, 'placeholderMade'>;
};

/** Records of one page. */
const STEP = 200;
/** Waking goes on for this long in a round: a backlog of re-checks must not keep a lost message waiting. */
const ROUND_MS = 1_000;
/** Placeholders made side by side, each within so long: what a round does must end. */
const PLACEHOLDERS = 4;
const PLACEHOLDER_MS_MAX = 5_000;
/** A record admitted this recently is being handed over by whoever admitted it. */
const GRACE_MS = 1_000;

type Step = (deps: SweepDeps, tenant: Tenant, until: EpochMs) => Promise<number>;

const STEPS: Record<string, Step> = { wake, reap, expireOverdue, handOver };

/** One round over all tenants; answers with how much each step did. A step that fails spoils no other. */
export async function sweepOnce(deps: SweepDeps): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  const until = deps.clock.now() + ROUND_MS;
  for (const tenant of await deps.ledger.tenants()) {
    for (const [name, step] of Object.entries(STEPS)) {
      try {
        done[name] = (done[name] ?? 0) + (await step(deps, tenant, until));
      } catch (error) {
        deps.log.warn({ tenant, step: name, ...describeError(error) }, 'sweep.failed');
      }
    }
  }
  return done;
}

/** Queued jobs whose message was never sent, or may be lost: page after page while there is time. */
async function wake(deps: SweepDeps, tenant: Tenant, until: EpochMs): Promise<number> {
  const { ledger, clock } = deps;
  let woken = 0;
  for (;;) {
    const due = await ledger.dueWakes(tenant, clock.now() - GRACE_MS, STEP);
    woken += await wakePage(deps, tenant, due);
    if (due.length < STEP || clock.now() >= until) return woken;
  }
}

async function wakePage(deps: SweepDeps, tenant: Tenant, due: Wake[]): Promise<number> {
  const { ledger, clock } = deps;
  const messages: WakeMessage[] = [];
  const left = new Set(due);
  const failed = await each(due, STEP, async (wake) => {
    const job = await ledger.read(tenant, wake.id);
    if (job?.version !== wake.version || !isAwaitingWake(job.state)) return;
    // It stands in the line of its batch; back in its own, it would be picked only to be moved there again.
    if (await isHeldBack(deps, job)) return;
    messages.push(toWake(job));
    left.delete(wake);
  });
  warn(deps, tenant, 'wake', failed);
  await enqueueWakes(deps, messages);
  // Not to be met again on the next page: what cannot be woken must not stand before what can.
  const recheckAt = clock.now() + RECHECK_MS;
  await ledger.enqueued(
    tenant,
    [...left].map((wake) => ({ ...wake, recheckAt })),
  );
  return messages.length;
}

async function isHeldBack({ isPaused }: SweepDeps, job: Job): Promise<boolean> {
  const { batch } = job.request;
  return batch !== undefined && laneOf(job) === 'standard' && (await isPaused(job.tenant, batch.id));
}

/** Attempts whose worker no longer holds the lease: nobody knows whether they were billed. */
async function reap(deps: SweepDeps, tenant: Tenant): Promise<number> {
  return mend(deps, tenant, 'reap', await deps.ledger.overdueLeases(tenant, STEP), async (id) => {
    const { ledger, clock, random, outbox, log } = deps;
    const end = { type: 'in_doubt', reason: 'the worker stopped answering' } as const;
    let given: AttemptId | undefined;
    const decide = (job: Job) => {
      given = job.state.open;
      return given ? settle(job, given, end, clock.now(), random) : undefined;
    };
    const updated = await updateJob(ledger, tenant, id, decide, { leaseOver: true });
    if (!updated?.changed) return;
    if (given) await deps.letGo(updated.job, given);
    log.warn({ tenant, job: id, status: updated.job.state.status }, 'lease.reaped');
    if (isAwaitingWake(updated.job.state)) outbox.push(updated.job);
    if (updated.followers) await handOff(deps, tenant, id);
  });
}

async function expireOverdue(deps: SweepDeps, tenant: Tenant, until: EpochMs): Promise<number> {
  const { ledger, clock } = deps;
  const due = await ledger.dueDeadlines(tenant, clock.now(), STEP);
  const end = async (id: JobId) => {
    const placeholder = await placeholderFor(deps, tenant, id, until);
    if (placeholder === 'later') return;
    const updated = await updateJob(ledger, tenant, id, (job) => expire(job, clock.now(), placeholder));
    if (updated?.followers) await handOff(deps, tenant, id);
  };
  return mend(deps, tenant, 'expire', due, end, PLACEHOLDERS);
}

/**
 * What ends a job at its deadline in place of an image, where its caller allowed that. `later` = this round has done its
 * share. A store that hangs must keep no repair waiting: then the job ends without.
 */
async function placeholderFor(
  deps: SweepDeps,
  tenant: Tenant,
  id: JobId,
  until: EpochMs,
): Promise<StoredImage | 'later' | undefined> {
  const { ledger, clock } = deps;
  const job = await ledger.read(tenant, id);
  if (!job || !allowsPlaceholder(job) || !expire(job, clock.now())) return undefined;
  if (clock.now() >= until) return 'later';
  const patience = new AbortController();
  const made = makePlaceholder(deps, job).finally(() => patience.abort());
  const tired = sleep(PLACEHOLDER_MS_MAX, undefined, { signal: patience.signal }).catch(() => undefined);
  return Promise.race([made, tired]);
}

async function handOver(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const leaders = await deps.ledger.dueHandoffs(tenant, STEP);
  return mend(deps, tenant, 'hand_over', leaders, (leader) => handOff(deps, tenant, leader));
}

/** One after the other, if no `width` is given. @returns how many went well */
async function mend(
  deps: SweepDeps,
  tenant: Tenant,
  step: string,
  ids: JobId[],
  act: (id: JobId) => Promise<unknown>,
  width = 1,
): Promise<number> {
  const failed = await each(
    ids.map((id) => ({ id })),
    width,
    ({ id }) => act(id),
  );
  warn(deps, tenant, step, failed);
  return ids.length - failed.length;
}

function warn({ log }: SweepDeps, tenant: Tenant, step: string, failed: Failed<{ id: JobId }>[]): void {
  for (const { item, error } of worthTelling(failed))
    log.warn({ tenant, job: item.id, step, ...describeError(error) }, 'sweep.failed');
}
