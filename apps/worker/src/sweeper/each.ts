import { AppError } from '@darkroom/shared/domain';

/** An item, and what it failed with. */
export type Failed<T> = { item: T; error: unknown };

/**
 * Does `act` for each item, at most `width` side by side. What one item fails with holds up no other.
 *
 * @returns what failed, with why
 */
export async function each<T>(items: T[], width: number, act: (item: T) => Promise<unknown>): Promise<Failed<T>[]> {
  const failed: Failed<T>[] = [];
  const rest = items.values();
  const run = async () => {
    for (const item of rest) await act(item).catch((error: unknown) => failed.push({ item, error }));
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, run));
  return failed;
}

/** What is to be said about it: a record that cannot be read has been told of by who looked at it. */
export function worthTelling<T>(failed: Failed<T>[]): Failed<T>[] {
  return failed.filter(({ error }) => !(error instanceof AppError && error.code === 'record_unreadable'));
}
