/**
 * Which chunks are taken back so that their members are made in the standard lane in time. Pure.
 *
 * That lane makes jobs one after the other. As long as all that must leave by an instant can still be made until then,
 * every chunk stays with the provider; from then on they go one by one, those first that are furthest from coming home.
 */

import type { EpochMs, ProviderBatchId } from './job.ts';
import type { ProviderBatch } from './provider-batch.ts';

export type Rescuable = Pick<ProviderBatch, 'id' | 'state' | 'providerState' | 'createdAt' | 'submittedAt'> & {
  /** Members that have to leave, and can. */
  leaving: number;
};

/**
 * @param chunks those that have members to make until `due`
 * @returns the chunks that have to go now, and when the next one will have to
 */
export function takenBack(
  chunks: Rescuable[],
  { due, msPerJob, now }: { due: EpochMs; msPerJob: number; now: EpochMs },
): { go: Set<ProviderBatchId>; nextAt: EpochMs } {
  const go = new Set<ProviderBatchId>();
  let rest = chunks.reduce((sum, { leaving }) => sum + leaving, 0);
  const nextAt = () => due - rest * msPerJob;
  for (const { id, leaving } of chunks.filter(mayGo).toSorted(byHope)) {
    if (now < nextAt()) break;
    go.add(id);
    rest -= leaving;
  }
  return { go, nextAt: nextAt() };
}

/** Nobody knows what a create call makes of one before it has ended. */
function mayGo({ state }: Rescuable): boolean {
  return state !== 'creating';
}

/** The least hopeful first: not sent, then not begun, then the last one sent. */
function byHope(a: Rescuable, b: Rescuable): number {
  return hopeOf(a) - hopeOf(b) || sentAt(b) - sentAt(a) || (a.id < b.id ? 1 : -1);
}

function hopeOf({ state, providerState = '' }: Rescuable): number {
  if (state !== 'submitted') return 0;
  return /RUNNING/.test(providerState) ? 2 : 1;
}

function sentAt({ createdAt, submittedAt = createdAt }: Rescuable): EpochMs {
  return submittedAt;
}
