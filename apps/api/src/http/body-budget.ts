/** How much of all request bodies together may be in memory. */

import { AppError } from '@darkroom/shared/domain';
import type { Request, RequestHandler, Response } from 'express';

/**
 * Refuses a body while those being read or worked on fill `totalBytes`.
 *
 * A body that does not say how long it is, or that is packed, counts as the largest there may be. Alone, any may come.
 */
export function bodyBudget({ totalBytes, largest }: { totalBytes: number; largest: number }): RequestHandler {
  let held = 0;
  return (req, res, next) => {
    const bytes = Math.min(declaredBytes(req), largest);
    if (bytes === 0) return next();
    if (held > 0 && held + bytes > totalBytes) {
      throw new AppError('not_ready', {
        message: 'Too many large requests are being read just now.',
        retryable: true,
        retryAfterMs: 1_000,
      });
    }
    held += bytes;
    let mine = bytes;
    const giveBack = () => {
      held -= mine;
      mine = 0;
    };
    res.locals['giveBack'] = giveBack;
    res.on('close', giveBack);
    next();
  };
}

/** Lets go of a body that has been worked on, when its caller goes on waiting. */
export function dropBody(req: Request, res: Response): void {
  req.body = undefined;
  (res.locals['giveBack'] as (() => void) | undefined)?.();
}

function declaredBytes({ headers }: Request): number {
  if (headers['transfer-encoding'] !== undefined) return Number.POSITIVE_INFINITY;
  const length = Number(headers['content-length'] ?? 0);
  return length > 0 && headers['content-encoding'] !== undefined ? Number.POSITIVE_INFINITY : length;
}
