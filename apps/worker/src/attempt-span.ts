/** The spans of attempts and chunks. Each belongs to what was submitted; what came without a trace has none. */

import { type AttemptRef, type Job, laneOf, type ProviderBatch } from '@darkroom/shared/domain';
import { isInSpan, isTracing, type SpanFacts, untraced, withSpan } from '@darkroom/shared/observability';
import type { OriginOf } from '@darkroom/shared/usecases';

/** An attempt of the standard lane, from its lease to its end; the span goes on when the attempt is in one already. */
export async function inAttemptSpan<T>(
  deps: { originOf: OriginOf },
  ref: AttemptRef,
  job: Job,
  work: () => Promise<T>,
): Promise<T> {
  if (!isTracing() || isInSpan()) return work();
  const from = await deps.originOf(job);
  return withSpan('attempt', { kind: 'consumer', from, facts: factsOf(ref, job) }, work);
}

/**
 * The end of an attempt that travelled in a chunk: linked to the submission, which may have been a day ago. A row has none:
 * of thousands, the span of the chunk tells the counts.
 */
export function inSettleSpan<T>(ref: AttemptRef, job: Job, work: () => Promise<T>): Promise<T> {
  if (!isTracing()) return work();
  const { trace } = job.state;
  if (trace === undefined) return untraced(work);
  return withSpan('settle', { from: { parent: trace }, links: [trace], facts: factsOf(ref, job) }, work);
}

/** A step of a chunk, linked to what its members were submitted by. */
export function inChunkSpan<T>(name: string, chunk: ProviderBatch, work: () => Promise<T>): Promise<T> {
  if (!isTracing() || !chunk.traces) return work();
  const facts = {
    'darkroom.provider_batch.id': chunk.id,
    'darkroom.provider_batch.size': chunk.size,
    'darkroom.model': chunk.model,
    'darkroom.lane': 'batch',
  };
  return withSpan(name, { from: { links: chunk.traces }, facts }, work);
}

function factsOf({ tenant, job: id, attempt }: AttemptRef, job: Job): SpanFacts {
  const { request, state } = job;
  const begun = state.attempts.findIndex((one) => one.id === attempt);
  return {
    'darkroom.tenant': tenant,
    'darkroom.job.id': id,
    'darkroom.batch.id': request.batch?.id,
    'darkroom.attempt.id': attempt,
    'darkroom.attempt.number': (begun < 0 ? state.attempts.length : begun) + 1,
    'darkroom.model': request.model,
    'darkroom.lane': state.attempts[begun]?.lane ?? laneOf(job),
  };
}
