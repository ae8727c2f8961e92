/** Marks a step after which the process may be made to die; does nothing unless it was asked for. */
export type CrashPoint = (name: string) => void;

/**
 * Kills this process with SIGKILL when it passes the named step, so that tests can prove what a crash there leaves
 * behind.
 *
 * @param target the step, as in `CRASH_AT=attempt.intended`; `attempt.intended:3` dies at the third passing
 */
export function createCrashPoint(target: string | undefined): CrashPoint {
  if (!target) return () => {};
  const [name, nth = '1'] = target.split(':');
  let left = Number(nth);
  return (passed) => {
    if (passed === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
