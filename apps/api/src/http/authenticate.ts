import { AppError } from '@darkroom/shared/domain';
import type { ApiKeys, Caller } from '@darkroom/shared/ports';
import type { Scope } from '@darkroom/shared/schemas';
import type { Request, RequestHandler, Response } from 'express';

/** Knows the caller by the key in a header, never in a query. */
export function authenticate(keys: ApiKeys): RequestHandler {
  return async (req, res, next) => {
    const secret = secretOf(req);
    const caller = secret === undefined ? undefined : await keys.authenticate(secret);
    if (!caller) {
      throw new AppError('unauthenticated', {
        message: secret === undefined ? 'This route needs an API key.' : 'The API key is not known.',
        fix: 'Send `Authorization: Bearer dk_…`.',
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
