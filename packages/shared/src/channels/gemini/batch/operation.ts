/** A batch as the provider shows it, a long-running operation, made into ours. Pure; takes anything. */

import { countOf, type Loose, objectOf, textOf } from '../../../domain/lenient.ts';
import { scrub } from '../../../domain/scrub.ts';
import type { RemoteBatch } from '../../../ports/batch-channel.ts';
import { isBatchName, isFileName } from './names.ts';

/** The documented ends. Any other state, also one not known yet, means that the batch may still run, and cost. */
const ENDS: Readonly<Record<string, NonNullable<RemoteBatch['end']>>> = {
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'canceled',
  EXPIRED: 'expired',
};
const STATE_MAX = 64;
const DISPLAY_NAME_MAX = 1_000;

/** The batch, or `undefined` when the operation has no name to call it by. */
export function toRemoteBatch(operation: unknown): RemoteBatch | undefined {
  const { name, error, response, metadata: raw } = objectOf(operation);
  if (!isBatchName(name)) return undefined;
  const metadata = objectOf(raw);
  const state = (textOf(metadata['state']) ?? 'unknown').slice(0, STATE_MAX);
  const end = ENDS[state.replace(/^(?:BATCH|JOB)_STATE_/, '')];
  const inputFile = objectOf(metadata['inputConfig'])['fileName'];
  // The output is told in two places, one of which may be missing.
  const responsesFile = [metadata['output'], response]
    .map((place) => objectOf(place)['responsesFile'])
    .find(isFileName);
  const message = scrub(textOf(objectOf(error)['message']) ?? '');
  return {
    name,
    displayName: (textOf(metadata['displayName']) ?? '').slice(0, DISPLAY_NAME_MAX),
    ...(isFileName(inputFile) && { inputFile }),
    ...(end && { end }),
    state,
    createdAt: instantOf(metadata['createTime']),
    ...(responsesFile !== undefined && { responsesFile }),
    ...(message && { message }),
    ...(metadata['batchStats'] !== undefined && { stats: statsOf(objectOf(metadata['batchStats'])) }),
  };
}

function statsOf(stats: Loose): NonNullable<RemoteBatch['stats']> {
  return {
    total: countOf(stats['requestCount']),
    succeeded: countOf(stats['successfulRequestCount']),
    failed: countOf(stats['failedRequestCount']),
  };
}

/** 0 when it is not told. */
function instantOf(time: unknown): number {
  return (typeof time === 'string' && Date.parse(time)) || 0;
}
