import { isTerminal, type ProviderBatch } from '@darkroom/shared/domain';
import { ifReadable } from '@darkroom/shared/usecases';
import type { BatchDeps } from './deps.ts';

/**
 * Whether any caller still waits for a member. Mostly the first one asked does; for one whose record cannot be read
 * somebody may.
 *
 * @throws what the ledger throws while it cannot be asked: that says nothing about any caller
 */
export async function isWanted(
  { batches, ledger, random }: Pick<BatchDeps, 'batches' | 'ledger' | 'random'>,
  { id }: ProviderBatch,
): Promise<boolean> {
  const members = await batches.members(id);
  // Members are canceled from the front, as a rule: begin anywhere.
  const start = Math.floor(random() * members.length);
  for (const { tenant, job } of [...members.slice(start), ...members.slice(0, start)]) {
    const found = await ifReadable(ledger.read(tenant, job).then((record) => ({ record })));
    if (!found || (found.record && !isTerminal(found.record.state.status))) return true;
  }
  return false;
}

/** Whether every member that a caller waits for is of a batch that is paused. One that cannot be read has no line to send. */
export async function isHeldBack(
  { batches, ledger, isPaused }: Pick<BatchDeps, 'batches' | 'ledger' | 'isPaused'>,
  { id }: ProviderBatch,
): Promise<boolean> {
  for (const { tenant, job } of await batches.members(id)) {
    const record = await ifReadable(ledger.read(tenant, job));
    if (!record || isTerminal(record.state.status)) continue;
    const { batch } = record.request;
    if (!batch || !(await isPaused(tenant, batch.id))) return false;
  }
  return true;
}
