/** What a reader says about what it has seen, and how long it will wait for more. */

import { AppError } from '@darkroom/shared/domain';
import type { Request } from 'express';
import { WAIT_MAX } from './body.ts';

/** `If-None-Match` by RFC 9110: a list of tags compared weakly, or `*`. */
export function isSeen(header: string | undefined, etag: string): boolean {
  const tags = header?.split(',').map((tag) => tag.trim().replace(/^(?:W\/)?/, 'W/')) ?? [];
  return header?.trim() === '*' || tags.includes(etag);
}

/** `?wait=30` in milliseconds; 0 without it. @throws AppError `invalid_request` for what cannot be kept to */
export function waitOf(req: Request): number {
  const { wait } = req.query;
  if (wait === undefined) return 0;
  if (typeof wait === 'string' && /^\d{1,3}$/.test(wait) && Number(wait) <= WAIT_MAX) return Number(wait) * 1_000;
  throw new AppError('invalid_request', {
    message: `wait must be a whole number of seconds from 0 to ${WAIT_MAX}.`,
    param: 'wait',
    fix: `Send wait=${WAIT_MAX} or less, and ask again while it is open.`,
  });
}
