import type { AttemptDeps } from './deps.ts';

/** The rest is for the answers of calls that are out. */
const SPOOL_SHARE = 0.8;

/** Whether so many paid bytes wait for storage that no new call may leave. */
export async function isSpoolFull({ spool, spoolBytesMax }: Pick<AttemptDeps, 'spool' | 'spoolBytesMax'>) {
  return (await spool.usage()).bytes > spoolBytesMax * SPOOL_SHARE;
}
