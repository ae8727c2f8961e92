import type { Problem } from '@darkroom/shared/schemas';

const PASSING: ReadonlySet<number> = new Set([0, 408, 425, 429]);

/** The server refused, or could not be asked. */
export class DarkroomError extends Error {
  /** RFC 9457 problem details, when the server answered with them. */
  readonly problem: Problem | undefined;
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Milliseconds to wait before the same request is made again; 0 when the server did not say. */
  readonly retryAfterMs: number;

  constructor(message: string, options: { status: number; problem?: Problem; retryAfterMs?: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'DarkroomError';
    this.status = options.status;
    this.problem = options.problem;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }

  /** The very same request may succeed later. */
  get retryable(): boolean {
    // What stands between may refuse for now as well, in words of its own.
    return this.problem?.retryable ?? (this.status >= 500 || PASSING.has(this.status));
  }
}
