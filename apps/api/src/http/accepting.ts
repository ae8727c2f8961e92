import { AppError } from '@darkroom/shared/domain';
import type { ApiDeps } from '../deps.ts';

/** @throws AppError `not_ready` while Redis is unfit to keep new jobs */
export function requireAccepting(deps: Pick<ApiDeps, 'accepting'>): void {
  if (deps.accepting()) return;
  const message = 'No new jobs are accepted just now.';
  throw new AppError('not_ready', { message, retryable: true, retryAfterMs: 10_000 });
}
