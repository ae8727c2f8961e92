/** A batch as Vertex shows it, a batch prediction job, made into ours. Pure; takes anything. */

import { countOf, objectOf, textOf } from '../../../domain/lenient.ts';
import { scrub } from '../../../domain/scrub.ts';
import type { RemoteBatch } from '../../../ports/batch-channel.ts';

/**
 * The ends. Any other state (queued, paused, updating, canceling, or not known yet) means that it may still run, and cost.
 *
 * Of one that succeeded in part, the lines tell which did; whoever has none is in doubt, as with one that succeeded. The
 * SDK says of that state that "some results may be missing due to errors": a missing result may have been made. Counts do
 * not settle it: nowhere is written that what they call failed or incomplete is not billed, and no bill must pass what is
 * settled and in doubt.
 */
const ENDS: Readonly<Record<string, NonNullable<RemoteBatch['end']>>> = {
  SUCCEEDED: 'succeeded',
  PARTIALLY_SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'canceled',
  EXPIRED: 'expired',
};
const NAME = /(?:^|\/)(batchPredictionJobs\/[A-Za-z0-9][\w-]{0,99})$/;
const STATE_MAX = 64;
const DISPLAY_NAME_MAX = 1_000;

/** Without the project, which the answer may name by its number. @throws RangeError when it names no job */
export function jobPath(name: string): string {
  const [, path] = NAME.exec(name) ?? [];
  if (path !== undefined) return path;
  throw new RangeError(`${name} names no batch: it must look like batchPredictionJobs/123`);
}

/** The batch, or `undefined` when the job has no name to call it by. */
export function toRemoteBatch(job: unknown): RemoteBatch | undefined {
  const {
    name: full,
    displayName,
    inputConfig,
    outputInfo,
    error,
    createTime,
    completionStats,
    ...rest
  } = objectOf(job);
  const [, name] = NAME.exec(textOf(full) ?? '') ?? [];
  if (name === undefined) return undefined;
  const state = (textOf(rest['state']) ?? 'unknown').slice(0, STATE_MAX);
  const end = ENDS[state.replace(/^JOB_STATE_/, '')];
  const { uris } = objectOf(objectOf(inputConfig)['gcsSource']);
  const inputFile = Array.isArray(uris) && uris.length === 1 ? textOf(uris[0]) : undefined;
  const responsesFile = textOf(objectOf(outputInfo)['gcsOutputDirectory']);
  const message = scrub(textOf(objectOf(error)['message']) ?? '');
  return {
    name,
    displayName: (textOf(displayName) ?? '').slice(0, DISPLAY_NAME_MAX),
    ...(inputFile !== undefined && { inputFile }),
    ...(end && { end }),
    state,
    createdAt: (typeof createTime === 'string' && Date.parse(createTime)) || 0,
    ...(responsesFile && { responsesFile }),
    ...(message && { message }),
    ...(completionStats !== undefined && { stats: statsOf(completionStats) }),
  };
}

function statsOf(told: unknown): NonNullable<RemoteBatch['stats']> {
  const { successfulCount, failedCount, incompleteCount } = objectOf(told);
  const [succeeded, failed] = [countOf(successfulCount), countOf(failedCount)];
  return { total: succeeded + failed + countOf(incompleteCount), succeeded, failed };
}
