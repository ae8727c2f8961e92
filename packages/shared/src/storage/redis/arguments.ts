/** What the scripts are told: everything that follows from a change, computed here and only applied there. */

import {
  type Attempt,
  type Change,
  isAwaitingWake,
  isTerminal,
  type Job,
  type JobState,
  rowSums,
} from '../../domain/index.ts';
import type { KeySpace } from './keys.ts';
import { leaseTicks } from './lease.ts';
import { formatRecord, isPackedJob, pieceBytes } from './record.ts';
import type { ScriptArg } from './scripts.ts';

type Call = { keys: string[]; args: ScriptArg[] };

/** How long an idempotency key is kept. */
export const IDEMPOTENCY_MS = 86_400_000;

export function writeArgs(
  space: KeySpace,
  change: Change,
  options: { tailMs: number; tickMs: number; nonce: string; leaseOver: boolean },
): Call {
  const { before, after } = change;
  const { state } = after;
  const record = formatRecord(after);
  const keys = space.of(after.tenant);
  const ended = isTerminal(state.status);
  const cached = cacheOf(change);
  return {
    keys: [
      keys.job(after.id),
      keys.status(before.state.status),
      keys.status(state.status),
      keys.wakes,
      keys.leases,
      keys.tick,
      keys.deadlines,
      keys.retention,
      keys.events,
      keys.fingerprint(after.fingerprint),
      keys.cache(after.fingerprint),
      keys.totals,
      keys.followers(after.id),
      keys.handoffs,
      keys.batchTotals(after.request.batch?.id ?? ''),
      keys.rowStatuses,
    ],
    args: [
      after.id,
      before.version,
      options.nonce,
      isPackedJob(before) || isPackedJob(after) || before.request !== after.request ? record.request : 'keep',
      record.state,
      standing(state),
      openMark(state),
      isAwaitingWake(state) ? state.runAt : '',
      hasLease(state) ? leaseTicks(options.tickMs, state.phase === 'storing') : '',
      state.createdAt,
      after.request.batch ? '' : state.expiresAt,
      ended ? change.at + options.tailMs : '',
      fingerprintFate(before, after),
      cached ? cached.ttlMs : '',
      cached ? cached.result : '',
      change.events.join(','),
      sums(before, after).join(','),
      isHandedOn(before, after) ? '1' : '0',
      change.at,
      options.leaseOver ? '1' : '0',
      space.changes,
      `${after.tenant} ${after.id}`,
      after.request.batch ? `${before.state.status} ${state.status}` : '',
      after.request.batch ? Object.entries(rowSums(before, after)).join(',') : '',
      isPackedJob(after) ? pieceBytes(after, record.state) : '',
      (after.request.batch && change.dearer) ?? '',
      after.request.batch?.id ?? '',
      tagsArg(after.request.tags),
      after.request.webhook ? '1' : '',
    ],
  };
}

/** Tags as an event has them. */
export function tagsArg(tags: string[]): string {
  return tags.length ? JSON.stringify(tags) : '';
}

/** A call of a worker's own ends with that worker; one in a provider batch lives on without anybody. */
function hasLease({ open, attempts }: Job['state']): boolean {
  return open !== undefined && attempts.find(({ id }) => id === open)?.providerBatch === undefined;
}

/** What the scripts know of the attempt that is out: its id, by which it renews its lease, or that there is one without. */
function openMark(state: JobState): string {
  if (state.open === undefined) return '';
  return hasLease(state) ? state.open : '-';
}

/** What the scripts know of a state: its status, and of a job that waits for the operator that nobody is to join it. */
function standing({ status, phase }: JobState): string {
  return phase === 'held' ? 'held' : status;
}

/** Whether twins need wait no longer: it is over, or waits for somebody whom they did not ask for. */
function isHandedOn(before: Job, { state }: Job): boolean {
  if (state.phase === 'held') return before.state.phase !== 'held';
  return isTerminal(state.status) && (!state.open || state.images.length > 0);
}

/** A finished twin may be joined for its window; one that made nothing, or is held, must not stand in anyone's way. */
function fingerprintFate(before: Job, after: Job): string {
  if (after.state.phase === 'held') return '0';
  if (isTakenUp(before, after)) return after.request.dedup ? 'claim' : '';
  if (!isTerminal(after.state.status) || isTerminal(before.state.status)) return '';
  if (after.state.status !== 'succeeded' || !after.request.dedup) return '0';
  return String(after.request.dedup.windowMs);
}

/** It goes on by itself from here: as an heir, or released. */
function isTakenUp({ state: before }: Job, { state: after }: Job): boolean {
  if (isTerminal(after.status) || after.leader) return false;
  return before.leader !== undefined || before.phase === 'held';
}

function cacheOf({ before, after, at }: Change): { ttlMs: number; result: string } | undefined {
  const { cache } = after.request;
  if (!cache || after.state.status !== 'succeeded' || isTerminal(before.state.status)) return undefined;
  const { images, text, grounding } = after.state;
  return { ttlMs: cache.ttlMs, result: JSON.stringify({ id: after.id, at, state: { images, text, grounding } }) };
}

/** What this change adds to the tenant's sums: the difference between the two lists of attempts. */
function sums(before: Job, after: Job): (string | number)[] {
  const known = new Map(before.state.attempts.map((attempt) => [attempt.id, attempt]));
  const added: Record<string, number> = {};
  const add = (name: string, amount: number) => {
    added[name] = (added[name] ?? 0) + amount;
  };
  for (const attempt of after.state.attempts) {
    const old = known.get(attempt.id);
    if (!old) add('calls', 1);
    count(old, -1, add);
    count(attempt, 1, add);
  }
  return Object.entries(added)
    .filter(([, amount]) => amount !== 0)
    .flat();
}

function count(attempt: Attempt | undefined, by: 1 | -1, add: (name: string, amount: number) => void): void {
  if (!attempt || attempt.state === 'open') return;
  add(attempt.state, by);
  if (attempt.cost) add(attempt.state === 'in_doubt' ? 'in_doubt_cost' : 'actual', by * attempt.cost);
}
