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
