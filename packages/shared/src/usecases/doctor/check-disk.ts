import { type Check, ok, problem, warning } from './finding.ts';

const MEBIBYTE = 1_048_576;
/** Less holds not even the answers of one worker's calls. */
const LEAST_MB = 512;

/** Whether the spool, which holds paid bytes, has the room that it is told to use. @param free in bytes */
export function diskCheck({ free, spoolMb }: { free: () => Promise<number>; spoolMb: number }): Check {
  return {
    group: 'Disk',
    name: 'spool',
    run: async () => {
      const mb = Math.floor((await free()) / MEBIBYTE);
      const what = `${mb} MB free, of up to ${spoolMb} MB (SPOOL_MAX_MB)`;
      if (mb < Math.min(LEAST_MB, spoolMb))
        return [problem(what, 'free some space, or set DARKROOM_DATA to a larger disk')];
      return [mb < spoolMb ? warning(what, 'lower SPOOL_MAX_MB, or free some space') : ok(what)];
    },
  };
}
