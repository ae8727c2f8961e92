/**
 * Repairs, in bounded steps: what a crash, a lost message or the passing of time left to be done.
 *
 * Each step reads a list that the ledger's scripts keep, and ends in a version-checked write, so any number of sweepers
 * may run at once; what one does not finish stays on its list.
 */

import { expire, type Job, settle, type Tenant } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Clock, Ledger, ObjectStore, WakeQueue } from '@darkroom/shared/ports';
import { isAwaitingWake } from '@darkroom/shared/storage/redis';
import { archiveJob, enqueueWakes, handOff, type Outbox, toWake, updateJob } from '@darkroom/shared/usecases';

export type SweepDeps = {
  ledger: Ledger;
  store: ObjectStore;
  queue: WakeQueue;
  outbox: Outbox;
  clock: Clock;
  random: () => number;
  log: Log;
};

/** Most records one step looks at. */
const STEP = 200;
/** A record admitted this recently is being handed over by whoever admitted it. */
const GRACE_MS = 1_000;

type Step = (deps: SweepDeps, tenant: Tenant) => Promise<number>;

const STEPS: Record<string, Step> = { wake, reap, expireOverdue, handOver, archive };

/** One round over all tenants; answers with how much each step did. A step that fails spoils no other. */
export async function sweepOnce(deps: SweepDeps): Promise<Record<string, number>> {
  const done: Record<string, number> = {};
  for (const tenant of await deps.ledger.tenants()) {
    for (const [name, step] of Object.entries(STEPS)) {
      try {
        done[name] = (done[name] ?? 0) + (await step(deps, tenant));
      } catch (error) {
        deps.log.warn({ tenant, step: name, ...describeError(error) }, 'sweep.failed');
      }
    }
  }
  return done;
}

/** Queued jobs whose message was never sent, or may be lost. */
async function wake(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const due = await deps.ledger.dueWakes(tenant, deps.clock.now() - GRACE_MS, STEP);
  const jobs = await Promise.all(due.map(({ id }) => deps.ledger.read(tenant, id)));
  const waiting = jobs.filter((job): job is Job => job !== undefined && isAwaitingWake(job.state));
  await enqueueWakes(deps, waiting.map(toWake));
  return waiting.length;
}

/** Attempts whose worker no longer holds the lease: nobody knows whether they were billed. */
async function reap(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const { ledger, clock, random, outbox, log } = deps;
  let reaped = 0;
  for (const id of await ledger.overdueLeases(tenant, STEP)) {
    const end = { type: 'in_doubt', reason: 'the worker stopped answering' } as const;
    const decide = (job: Job) => (job.state.open ? settle(job, job.state.open, end, clock.now(), random) : undefined);
    const updated = await updateJob(ledger, tenant, id, decide, { leaseOver: true });
    if (!updated?.changed) continue;
    reaped++;
    log.warn({ tenant, job: id, status: updated.job.state.status }, 'lease.reaped');
    if (isAwaitingWake(updated.job.state)) outbox.push(updated.job);
    if (updated.followers) await handOff(deps, tenant, id);
  }
  return reaped;
}

async function expireOverdue(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const { ledger, clock } = deps;
  const ids = await ledger.dueDeadlines(tenant, clock.now(), STEP);
  for (const id of ids) {
    const updated = await updateJob(ledger, tenant, id, (job) => expire(job, clock.now()));
    if (updated?.followers) await handOff(deps, tenant, id);
  }
  return ids.length;
}

async function handOver(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const leaders = await deps.ledger.dueHandoffs(tenant, STEP);
  for (const leader of leaders) await handOff(deps, tenant, leader);
  return leaders.length;
}

/** Finished jobs whose tail is over move from Redis to the object store. */
async function archive(deps: SweepDeps, tenant: Tenant): Promise<number> {
  const ids = await deps.ledger.dueRetention(tenant, deps.clock.now(), STEP);
  for (const id of ids) {
    const job = await deps.ledger.read(tenant, id);
    if (job) await archiveJob(deps, job);
  }
  return ids.length;
}
