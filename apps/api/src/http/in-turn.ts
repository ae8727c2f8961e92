import type { RequestHandler } from 'express';

/** Handlers as one, in the order given: between them there is none of what a router does for each of its own. */
export function inTurn(...handlers: RequestHandler[]): RequestHandler {
  return (req, res, next) => {
    const fail = (error: unknown) => next(error);
    const run = (n: number): void => {
      const handler = handlers[n];
      if (!handler) return next();
      const pending: unknown = handler(req, res, (error?: unknown) => (error ? fail(error) : run(n + 1)));
      if (pending instanceof Promise) pending.catch(fail);
    };
    run(0);
  };
}
