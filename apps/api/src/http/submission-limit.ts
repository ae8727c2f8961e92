import { AppError } from '@darkroom/shared/domain';
import type { Bounds, Caller, SubmissionRate } from '@darkroom/shared/ports';
import type { Response } from 'express';

type KeyBounds = Bounds & { submissionsPerMinute?: number };

export type SubmissionLimitDeps = {
  submissions: SubmissionRate;
  channels: { keys: Readonly<Record<string, KeyBounds>> };
};

/** Whether what a caller's key may have of the calls is bounded. */
export function isBounded({ channels: { keys } }: Pick<SubmissionLimitDeps, 'channels'>, { keyId }: Caller): boolean {
  const { concurrency, startsPerMinute } = boundsOf(keys, keyId);
  return concurrency !== undefined || startsPerMinute !== undefined;
}

function boundsOf(keys: Readonly<Record<string, KeyBounds>>, keyId: string): KeyBounds {
  return (Object.hasOwn(keys, keyId) && keys[keyId]) || {};
}

/**
 * Counts a submission against what its key may have, and tells how much is left. Asks nobody for a key without a limit.
 *
 * @throws AppError `rate_limited`, before anything of the submission is looked at
 */
export async function limitSubmissions(deps: SubmissionLimitDeps, res: Response, { keyId }: Caller): Promise<void> {
  const perMinute = boundsOf(deps.channels.keys, keyId).submissionsPerMinute;
  if (perMinute === undefined) return;
  const { granted, remaining, resetMs } = await deps.submissions.take(keyId, perMinute);
  res.set('ratelimit-policy', `"submissions";q=${perMinute};w=60`);
  res.set('ratelimit', `"submissions";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`);
  if (granted) return;
  throw new AppError('rate_limited', {
    message: `This key may submit ${perMinute} times a minute.`,
    retryable: true,
    retryAfterMs: resetMs,
    fix: 'Wait as long as Retry-After says, or submit a batch: it counts as one.',
  });
}
