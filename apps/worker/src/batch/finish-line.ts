/** One line of a result file, brought to its job: settled, or kept as that of a job which is on no record any more. */

import {
  type Answer,
  attribute,
  classify,
  type Job,
  type ProviderBatch,
  type ProviderBatchMember,
  type SpooledBlob,
  settleLine,
} from '@darkroom/shared/domain';
import { ifReadable } from '@darkroom/shared/usecases';
import { inSettleSpan } from '../attempt-span.ts';
import { finishOrphan } from '../standard/orphan.ts';
import { settleAttempt } from '../standard/settle-attempt.ts';
import { servedIn } from './accounts.ts';
import type { BatchDeps } from './deps.ts';

/** `stopped` = the process must end first. `orphan` = no record knows of its cost. `size` = of the image that was asked for. */
export type FinishedLine = { type: 'stopped' } | { type: 'orphan' } | { type: 'settled'; size: string };

/**
 * Settles the attempt that the line stands for. Safe to repeat.
 *
 * @param keep given the bytes of an image that a small copy is to be made of
 */
export async function finishLine(
  deps: BatchDeps,
  batch: ProviderBatch,
  { tenant, job: id, attempt: sent }: ProviderBatchMember,
  answer: Answer,
  keep: (blob: SpooledBlob) => void,
): Promise<FinishedLine> {
  const line = { sent, batch, billed: classify(answer).type !== 'rejected' };
  const known = await ifReadable(deps.ledger.read(tenant, id));
  const found = known && attribute(known, line, deps.clock.now());
  const ref = { tenant, job: id, attempt: found?.attempt ?? sent };
  if (!known) return orphan(deps, ref, answer);
  const settled = { type: 'settled', size: known.request.size } as const;
  if (!found || isOver(found.job, found.attempt)) return settled;
  const began = found.job.state.attempts.find((one) => one.id === found.attempt)?.startedAt ?? batch.createdAt;
  const exchange = { type: 'answered', answer: { ...answer, ms: deps.clock.now() - began } } as const;
  const ended = await inSettleSpan(ref, found.job, () =>
    settleAttempt(deps, found.job, ref, exchange, {
      channel: batch.channel,
      pricing: { served: servedIn(deps, batch), trusted: false },
      tellStoring: false,
      stored: () => deps.crash('chunk.line_stored'),
      settled: () => deps.crash('chunk.line_settled'),
      decide: (job, end) => settleLine(job, line, end, deps.clock.now(), deps.random),
      keepForLater: keep,
    }),
  );
  if (ended === 'unrecorded') return orphan(deps, ref, answer);
  return ended === 'stopped' ? { type: 'stopped' } : settled;
}

async function orphan(deps: BatchDeps, ref: Parameters<typeof finishOrphan>[1], answer: Answer): Promise<FinishedLine> {
  const ended = await ifReadable(finishOrphan(deps, ref, answer));
  return { type: ended === 'stopped' ? 'stopped' : 'orphan' };
}

/** Settled in an earlier reading without an image, or given up for good: the line changes nothing. */
function isOver({ state }: Job, attempt: string): boolean {
  const known = state.attempts.find(({ id }) => id === attempt);
  return (
    known?.state === 'rejected' || (known?.state === 'settled' && state.images.length + state.lateImages.length === 0)
  );
}
