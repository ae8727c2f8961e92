import { type ChannelsConfig, keyBoundsOf } from '@darkroom/shared/config';
import { AppError } from '@darkroom/shared/domain';
import type { Caller, SubmissionRate } from '@darkroom/shared/ports';
import { isBounded } from '@darkroom/shared/usecases';
import type { Response } from 'express';

type BoundsDeps = { channels: Pick<ChannelsConfig, 'keys'> };
export type SubmissionLimitDeps = BoundsDeps & { submissions: SubmissionRate };

/** The caller's key, where what it may have of the calls is bounded; what it submits stands in line by itself. */
export function boundedKey({ channels }: BoundsDeps, { keyId }: Caller): { key?: string } {
  return isBounded(keyBoundsOf(channels, keyId)) ? { key: keyId } : {};
}

/**
 * Counts a submission against what its key may have, and tells how much is left. Asks nobody for a key without a limit.
 *
 * @throws AppError `rate_limited`, before anything of the submission is looked at
 */
export async function limitSubmissions(deps: SubmissionLimitDeps, res: Response, { keyId }: Caller): Promise<void> {
  const perMinute = keyBoundsOf(deps.channels, keyId).submissionsPerMinute;
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
