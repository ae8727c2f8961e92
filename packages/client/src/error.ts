import type { Problem } from '@darkroom/shared/schemas';

/** The server refused, or could not be asked. */
export class DarkroomError extends Error {
  /** RFC 9457 problem details, when the server answered with them. */
  readonly problem: Problem | undefined;
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;

  constructor(message: string, options: { status: number; problem?: Problem; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.name = 'DarkroomError';
    this.status = options.status;
    this.problem = options.problem;
  }

  /** The very same request may succeed later. */
  get retryable(): boolean {
    return this.problem?.retryable ?? (this.status === 0 || this.status >= 500);
  }
}
