import { randomUUID } from 'node:crypto';
import type { NewBatch } from '@darkroom/shared/domain';
import type { RowOverrides, TestBatches } from '../../support/batches.ts';

const MODEL = 'gemini-3.1-flash-image';
/** What a row is expected to cost in a provider batch, in micros. */
export const ROW_ESTIMATE = 23_000;

type Facts = Pick<NewBatch, 'expiresAt'> & Partial<NewBatch> & Pick<RowOverrides, 'request'>;

/** A caller's batch of so many rows, no two alike, all of them jobs in the pool. @returns its id */
export async function poolRows(
  { accept, settle }: TestBatches,
  count: number,
  { request, ...facts }: Facts,
): Promise<string> {
  const rows = Array.from({ length: count }, () => ({
    request: { model: MODEL, size: '512', prompt: `mug ${randomUUID()}`, ...request },
    estimated: ROW_ESTIMATE,
  }));
  const { id } = await accept(rows, { route: { lane: 'batch', reason: 'asked for' }, canaryRows: 0, ...facts });
  await settle(id);
  return id;
}
