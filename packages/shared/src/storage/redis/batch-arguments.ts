/** What the scripts of batches are told: computed here, and only applied there. */

import {
  type Batch,
  type BatchChange,
  isAwaitingWake,
  isBatchOver,
  isTerminal,
  plus,
  rowSums,
} from '../../domain/index.ts';
import type { Enlistment } from '../../ports/index.ts';
import { IDEMPOTENCY_MS, tagsArg } from './arguments.ts';
import type { KeySpace } from './keys.ts';
import { formatRecord, pieceBytes } from './record.ts';
import type { ScriptArg } from './scripts.ts';

type Call = { keys: string[]; args: ScriptArg[] };

export function acceptArgs(
  space: KeySpace,
  batch: Batch,
  nonce: string,
  idempotency?: { key: string; bodyHash: string; owner: string },
): Call {
  const keys = space.of(batch.tenant);
  return {
    keys: [
      keys.batch(batch.id),
      keys.batches,
      keys.openBatches,
      keys.batchTotals(batch.id),
      keys.batchIdempotency(idempotency?.key ?? ''),
    ],
    args: [
      batch.id,
      JSON.stringify(batch),
      batch.createdAt,
      idempotency?.bodyHash ?? '',
      idempotency?.owner ?? '',
      idempotency ? IDEMPOTENCY_MS : '',
      nonce,
      batch.maxCost ?? '',
    ],
  };
}

export function writeBatchArgs(
  space: KeySpace,
  { batch, events, dropped, made }: BatchChange,
  { tailMs, nonce }: { tailMs: number; nonce: string },
): Call {
  const keys = space.of(batch.tenant);
  return {
    keys: [
      keys.batch(batch.id),
      keys.batchTotals(batch.id),
      keys.openBatches,
      keys.pausedBatches,
      keys.pastBatches,
      keys.events,
    ],
    args: [
      batch.id,
      batch.version - 1,
      nonce,
      JSON.stringify(batch),
      made ?? '',
      batch.createdAt,
      isStopped(batch) ? '1' : '0',
      isBatchOver(batch.status) ? (batch.completedAt ?? batch.createdAt) + tailMs : '',
      dropped ? `${dropped.status},${dropped.rows}` : '',
      events.join(','),
      space.changes,
      `${batch.tenant} ${batch.id}`,
      batch.maxCost ?? '',
      tagsArg(batch.tags),
    ],
  };
}

/** Whether no worker is to begin its jobs. When the money is gone, what is within it goes on. */
function isStopped({ status, pausedBy, overCap }: Batch): boolean {
  return status === 'canceling' || (status === 'paused' && (pausedBy !== 'max_cost' || overCap === true));
}

export function enlistArgs(space: KeySpace, batch: Batch, enlistment: Enlistment, tailMs: number): Call {
  const { row, generation, job, mode, replaces = {} } = enlistment;
  const { state, request } = job;
  const keys = space.of(batch.tenant);
  const leader = mode.type === 'join' ? mode.leader : job.id;
  const { state: record } = formatRecord(job);
  return {
    keys: [
      keys.job(job.id),
      keys.fingerprint(job.fingerprint),
      keys.cache(job.fingerprint),
      keys.wakes,
      keys.retention,
      keys.job(leader),
      keys.followers(leader),
      keys.batch(batch.id),
      keys.batchTotals(batch.id),
      keys.rowStatuses,
      keys.batchBits(batch.id, generation),
    ],
    args: [
      job.id,
      batch.version,
      row.n,
      generation,
      mode.type,
      record,
      state.status,
      job.fingerprint,
      isAwaitingWake(state) ? state.runAt : '',
      isTerminal(state.status) ? state.createdAt + tailMs : '',
      request.dedup ? '1' : '0',
      request.cache && !(mode.type === 'lead' && mode.uncached) ? '1' : '0',
      (mode.type === 'lead' && mode.past) || '',
      Object.entries(plus(rowSums(undefined, job), replaces)).join(','),
      pieceBytes(job, record),
    ],
  };
}
