import type { Request, RequestHandler } from 'express';
import { jsonBody } from './body.ts';
import { inTurn } from './in-turn.ts';

/** A JSON body as of `jsonBody`; none counts as `{}`. */
export function optionalBody(limitMb: number): RequestHandler {
  const read = inTurn(...jsonBody(limitMb));
  return (req, res, next) => {
    if (hasBody(req)) return read(req, res, next);
    req.body = {};
    next();
  };
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
