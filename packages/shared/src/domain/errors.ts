/** The closed list of what can go wrong, as `API.md` §6 and the ledger know it. */

export const ERROR_CODES = [
  'invalid_request',
  'invalid_rows',
  'request_timeout',
  'unsupported_size',
  'unsupported_aspect_ratio',
  'unsupported_thinking',
  'unsupported_tool',
  'too_many_references',
  'unsupported_media',
  'no_channel',
  'idempotency_key_reused',
  'payload_too_large',
  'model_retired',
  'unsupported_content_type',
  'not_found',
  'method_not_allowed',
  'conflict',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'queue_full',
  'not_ready',
  'max_cost_exceeded',
  'upstream_auth',
  'upstream_rate_limited',
  'upstream_overloaded',
  'upstream_quota_exhausted',
  'upstream_unavailable',
  'upstream_rejected',
  'upstream_unreachable',
  'outcome_unknown',
  'content_blocked',
  'no_image',
  'storage_unavailable',
  'object_conflict',
  'record_unreadable',
  'deadline_exceeded',
  'canceled',
  'internal',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What is wrong with one field; of a row of a batch, with its line and key, and what kind of error it is. */
export type FieldError = { path: string; message: string; line?: number; key?: string; code?: string };

export type ErrorOptions = {
  /** Shown to callers: no secrets, no provider text. */
  message: string;
  /** The same call may succeed later, unchanged. */
  retryable?: boolean;
  retryAfterMs?: number;
  /** The request field at fault, as the caller wrote it (`references[2].url`). */
  param?: string;
  /** What the caller can do about it. */
  fix?: string;
  /** Every field at fault, when there are several. */
  errors?: FieldError[];
  /** Further members of the problem that the caller is told. */
  extensions?: Record<string, unknown>;
  cause?: unknown;
};

/** This request or attempt cannot go on. Any other throw is a bug. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly param: string | undefined;
  readonly fix: string | undefined;
  readonly errors: FieldError[] | undefined;
  readonly extensions: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, options: ErrorOptions) {
    super(options.message, { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.param = options.param;
    this.fix = options.fix;
    this.errors = options.errors;
    this.extensions = options.extensions;
  }
}

/** Fails to compile where a case of a union was forgotten. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
