/** Submits under one key, so that an answer that is lost is never paid for twice. */

import { randomUUID } from 'node:crypto';
import { DarkroomError } from '../error.ts';
import { insist } from '../insist.ts';
import type { Context } from './context.ts';
import { EXIT, Exit } from './exit.ts';

/** What the same submission must be told again to be known as the same. */
type Known = { idempotencyKey?: string; agreed?: string | undefined; deadline?: string | undefined };

/**
 * A key of its own unless one is given: a second run of a command is a second submission, if not told otherwise. Cuts
 * are answered by repeats with the same key.
 *
 * @throws Exit with the options that go on where this left off, when nobody knows whether it was taken
 */
export async function submitOnce<T>(
  { signal }: Pick<Context, 'signal'>,
  { idempotencyKey: key = randomUUID(), agreed, deadline }: Known,
  submit: (idempotencyKey: string) => Promise<T>,
): Promise<T> {
  try {
    return await insist(() => submit(key), { signal });
  } catch (error) {
    const lost = error instanceof DarkroomError && error.retryable;
    if (!lost && !signal.aborted) throw error;
    const options = [
      `--idempotency-key ${key}`,
      ...(agreed ? [`--agreed ${agreed}`] : []),
      ...(deadline ? [`--deadline ${deadline}`] : []),
    ];
    throw new Exit(
      signal.aborted ? EXIT.interrupted : EXIT.unavailable,
      `${lost ? error.message : 'Interrupted.'} It may have been submitted all the same.\n` +
        `To go on without paying twice, run the same command again with these options added:\n  ${options.join(' ')}`,
    );
  }
}
