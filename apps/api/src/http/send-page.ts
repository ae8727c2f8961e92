import type { Request, Response } from 'express';

/** A page of a list, and the way to the one after it. The query has texts alone: its schema saw to that. */
export function sendPage(req: Request, res: Response, data: unknown[], nextCursor: string | undefined): void {
  if (nextCursor) {
    const query = new URLSearchParams({ ...(req.query as Record<string, string>), after: nextCursor });
    res.set('link', `<${req.baseUrl}${req.path}?${query.toString()}>; rel="next"`);
  }
  res.json({ data, has_more: nextCursor !== undefined, ...(nextCursor && { next_cursor: nextCursor }) });
}
