/**
 * What is to be done to every row of a batch, done in bounded steps.
 *
 * The record says which action it is and how far it got. A step that is repeated, by this process or another, finds each
 * job as it left it and changes nothing.
 */

import {
  type Batch,
  type BatchId,
  type BatchRow,
  type Change,
  cancel,
  expireRow,
  isAwaitingWake,
  isRetriable,
  type Job,
  nextSweepStep,
  outOfMoney,
  type ProviderBatchId,
  patchRow,
  replacedSums,
  rowJobId,
  type SweepAction,
  type SweepStep,
  sweptTo,
  type Tenant,
  unreachable,
} from '../domain/index.ts';
import type { ProviderBatches } from '../ports/index.ts';
import { findJob } from './get-job.ts';
import { handOff } from './hand-off.ts';
import { ifReadable } from './if-readable.ts';
import { enlistRows, type LoadDeps, type RowToEnlist, rowsWithin } from './load-batch.ts';
import type { Outbox } from './outbox.ts';
import { readRows } from './read-rows.ts';
import { updateJob } from './update-job.ts';

export type SweepBatchDeps = LoadDeps & {
  outbox: Outbox;
  /** Told of those chunks under way whose members have new terms. */
  chunks: Pick<ProviderBatches, 'notePatch'>;
};

const STEP = 200;

/** Does the next step of the batch's sweep. @returns whether there is more to do now */
export async function sweepBatch(deps: SweepBatchDeps, tenant: Tenant, id: BatchId): Promise<boolean> {
  const { batches, store } = deps;
  const batch = await batches.read(tenant, id);
  if (!batch) return false;
  const step = nextSweepStep(batch, await batches.totals(tenant, id), STEP);
  if (!step) return false;
  const newest = await batches.generations(batch, step.from, step.to - step.from);
  const known: KnownRow[] = [];
  for await (const row of readRows(store, batch, step.from, step.to))
    known.push({ row, generation: newest[row.n - step.from] });
  const reached =
    step.action === 'retry' ? await retryRows(deps, batch, known, step) : await endRows(deps, batch, known, step);
  const change = reached === undefined ? undefined : sweptTo(batch, reached, step.end);
  if (change) await batches.write(change);
  return change?.batch.sweep !== undefined;
}

type KnownRow = { row: BatchRow; generation: number | undefined };

/** Every action but making rows again is a decision about the row's newest job. @returns the row that was reached */
async function endRows(deps: SweepBatchDeps, batch: Batch, rows: KnownRow[], step: SweepStep): Promise<number> {
  const carriers = new Set<ProviderBatchId>();
  await Promise.all(
    rows.map(async ({ row, generation }) => {
      if (generation === undefined) return; // Nothing of it is open, and nothing of it will be.
      const id = rowJobId(batch.id, row.key, generation);
      const decideOn = (job: Job) => decide(deps, batch, job, step.action);
      const updated = await ifReadable(updateJob(deps.ledger, batch.tenant, id, decideOn));
      const carrier = updated && (step.action === 'patch' || step.action === 'wake') && carrierOf(updated.job);
      if (carrier) carriers.add(carrier);
      if (!updated || !(updated.changed || step.action === 'wake')) return;
      if (isAwaitingWake(updated.job.state)) deps.outbox.push(updated.job, { anew: step.action === 'wake' });
      if (updated.followers) await handOff(deps, batch.tenant, id);
    }),
  );
  // Of rows that had their new terms already, too: who gave them those may have died before it came here.
  await deps.chunks.notePatch([...carriers]);
  return step.to;
}

/** The chunk that the job is on its way in. */
function carrierOf({ state }: Job): ProviderBatchId | undefined {
  return state.attempts.find(({ id }) => id === state.open)?.providerBatch;
}

function decide({ clock }: SweepBatchDeps, batch: Batch, job: Job, action: SweepAction): Change | undefined {
  const now = clock.now();
  switch (action) {
    case 'cancel':
      return cancel(job, now);
    case 'expire':
      return expireRow(job, batch.expiresAt, now);
    case 'patch':
      return patchRow(job, batch, now);
    case 'wake':
    case 'retry':
      return undefined;
    default:
      return unreachable(action);
  }
}

/** @returns the row that was reached; `undefined` when the batch has changed meanwhile */
async function retryRows(
  deps: SweepBatchDeps,
  batch: Batch,
  rows: KnownRow[],
  { to, budget }: SweepStep,
): Promise<number | undefined> {
  const found = await Promise.all(rows.map((known) => again(deps, batch, known)));
  const wanted = found.filter((row) => row !== undefined);
  const fitting = rowsWithin(
    batch,
    wanted.map(({ row }) => row),
    batch.generation,
    budget,
  );
  if (!(await enlistRows(deps, batch, wanted.slice(0, fitting.length)))) return undefined;
  if (fitting.length === wanted.length) return to;
  const stop = wanted[fitting.length]?.row.n;
  await deps.batches.write(
    outOfMoney(stop === undefined ? batch : { ...batch, sweep: { action: 'retry', row: stop } }),
  );
  return undefined;
}

/** The row as it is made once more; `undefined` when it has no need of that, or was made again already. */
async function again(
  deps: SweepBatchDeps,
  batch: Batch,
  { row, generation }: KnownRow,
): Promise<RowToEnlist | undefined> {
  const next = { row, generation: batch.generation };
  if (generation === undefined) {
    // Not loaded yet, or else it never became a job and was counted with those that expired.
    return row.n >= batch.loaded ? undefined : { ...next, replaces: { expired: -1 } };
  }
  if (generation === batch.generation) return undefined;
  const job = await ifReadable(findJob(deps, batch.tenant, rowJobId(batch.id, row.key, generation)));
  return job && isRetriable(job) ? { ...next, replaces: replacedSums(job) } : undefined;
}
