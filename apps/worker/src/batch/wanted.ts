import { isTerminal, type ProviderBatch } from '@darkroom/shared/domain';
import type { BatchDeps } from './deps.ts';

/** Whether any caller still waits for a member. Mostly the first one asked does. */
export async function isWanted(
  { batches, ledger, random }: Pick<BatchDeps, 'batches' | 'ledger' | 'random'>,
  { id }: ProviderBatch,
): Promise<boolean> {
  const members = await batches.members(id);
  // Members are canceled from the front, as a rule: begin anywhere.
  const start = Math.floor(random() * members.length);
  for (const { tenant, job } of [...members.slice(start), ...members.slice(0, start)]) {
    const record = await ledger.read(tenant, job).catch(() => undefined);
    if (record && !isTerminal(record.state.status)) return true;
  }
  return false;
}

/** Whether every member that a caller waits for is of a batch that is paused. */
export async function isHeldBack(
  { batches, ledger, isPaused }: Pick<BatchDeps, 'batches' | 'ledger' | 'isPaused'>,
  { id }: ProviderBatch,
): Promise<boolean> {
  for (const { tenant, job } of await batches.members(id)) {
    const record = await ledger.read(tenant, job).catch(() => undefined);
    if (!record || isTerminal(record.state.status)) continue;
    const { batch } = record.request;
    if (!batch || !(await isPaused(tenant, batch.id))) return false;
  }
  return true;
}
