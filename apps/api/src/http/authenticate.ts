import { AppError } from '@darkroom/shared/domain';
import type { ApiKeys, Caller } from '@darkroom/shared/ports';
import type { Scope } from '@darkroom/shared/schemas';
import type { Request, RequestHandler, Response } from 'express';
import type { FailureLimit } from './failure-limit.ts';

/**
 * Knows the caller by the key in a header, never in a query.
 *
 * An address that failed too often is not looked up any more, except for a key that was good here before: behind a
 * proxy all callers have one address, and none is to suffer for another.
 */
export function authenticate(keys: ApiKeys, failures: FailureLimit): RequestHandler {
  return async (req, res, next) => {
    const secret = secretOf(req);
    if (failures.isSpent(req.socket) && !(secret && keys.isFamiliar(secret))) {
      const standing = failures.standing(req.socket);
      res.set(failures.headers(standing));
      throw new AppError('rate_limited', {
        message: 'Too many requests without a good key came from this address.',
        retryable: true,
        retryAfterMs: standing.resetMs,
        fix: 'Correct the key, and wait as long as Retry-After says.',
      });
    }
    const caller = secret === undefined ? undefined : await keys.authenticate(secret);
    if (!caller) {
      res.set(failures.headers(failures.fail(req.socket)));
      throw new AppError('unauthenticated', {
        message: secret === undefined ? 'This route needs an API key.' : 'The API key is not known.',
      });
    }
    res.locals['caller'] = caller;
    next();
  };
}

/** @throws AppError `forbidden` without the scope */
export function callerOf(res: Response, scope: Scope): Caller {
  const caller = res.locals['caller'] as Caller;
  if (!caller.scopes.includes(scope)) {
    throw new AppError('forbidden', {
      message: `The API key lacks the scope ${scope}.`,
      fix: 'Use a key that has it.',
    });
  }
  return caller;
}

function secretOf(req: Request): string | undefined {
  const bearer = /^Bearer +(\S{1,512})$/i.exec(req.headers.authorization ?? '')?.[1];
  const other = req.headers['x-api-key'] ?? req.headers['x-goog-api-key'];
  return bearer ?? (typeof other === 'string' && other.length <= 512 ? other : undefined);
}
