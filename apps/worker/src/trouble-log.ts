import { describeError, type Log } from '@darkroom/shared/observability';

/** While it lasts, it is told of this often. */
const AGAIN_MS = 60_000;
/** Words that a trouble is told in at once; errors that name ids may have any number of them. */
const WORDINGS_MAX = 10;

/** A trouble that each try meets again, told so that an outage of an hour can be read, and does not fill a disk. */
export type TroubleLog = {
  /** Tells of it when it begins or has other words, then once a minute with how often it came. */
  happened: (error: unknown) => void;
  /** Tells that it is over, if it was there. */
  over: () => void;
};

type Trouble = { since: number; seenAt: number; toldAt: number; times: number; wordings: Set<string> };

/** @param now milliseconds from any beginning */
export function createTroubleLog(
  log: Log,
  names: { begun: string; over: string },
  { fields = {}, now = () => performance.now() }: { fields?: object; now?: () => number } = {},
): TroubleLog {
  let trouble: Trouble | undefined;
  return {
    happened: (error) => {
      const at = now();
      const { stack, ...words } = describeError(error);
      // Not every trouble has somebody who tells that it is over.
      if (!trouble || at - trouble.seenAt > AGAIN_MS)
        trouble = { since: at, seenAt: at, toldAt: at, times: 0, wordings: new Set() };
      trouble.times++;
      trouble.seenAt = at;
      const { wordings, toldAt, times } = trouble;
      if (!wordings.has(words.error) && wordings.size < WORDINGS_MAX) {
        wordings.add(words.error);
        return log.warn({ ...fields, ...words, ...(stack && { stack }) }, names.begun);
      }
      if (at - toldAt < AGAIN_MS) return undefined;
      trouble.toldAt = at;
      return log.warn({ ...fields, ...words, times }, names.begun);
    },
    over: () => {
      if (!trouble) return;
      const { since, times } = trouble;
      trouble = undefined;
      log.info({ ...fields, times, ms: Math.round(now() - since) }, names.over);
    },
  };
}
