import { AppError } from '../domain/errors.ts';

/** The URL breaks `rule`. The message never says where the URL would have led. */
export function refusedUrl(rule: string, fix: string): AppError {
  return new AppError('invalid_request', { message: `The URL was refused: ${rule}.`, fix });
}

/** The URL is allowed, yet no usable answer came from it. */
export function notFetched(reason: string, cause?: unknown): AppError {
  return new AppError('invalid_request', {
    message: `The URL could not be fetched: ${reason}.`,
    fix: 'Check that the URL answers a plain GET with status 200, or upload the file instead.',
    cause,
  });
}

/** The answer is larger than the caller takes. */
export function tooLarge(maxBytes: number): AppError {
  return new AppError('payload_too_large', {
    message: `The file behind the URL is larger than ${maxBytes} bytes.`,
    fix: `Give a file of at most ${maxBytes} bytes.`,
  });
}

// What connecting and TLS can say about themselves without saying where they went.
const REASONS: [RegExp, string][] = [
  [/^ENOTFOUND$/, 'its host name does not resolve'],
  [/^UND_ERR_CONNECT_TIMEOUT$|^ETIMEDOUT$/, 'the server did not accept a connection in time'],
  [/^ECONNREFUSED$|^EHOSTUNREACH$|^ENETUNREACH$/, 'the server could not be reached'],
  [/^ERR_TLS_|^CERT_|_CERT|_SIGNATURE|_ISSUER/, 'the server has no valid certificate for this host name'],
  [/^UND_ERR_INVALID_ARG$/, 'a header that was to be sent is not allowed in HTTP'],
  [/^UND_ERR_HEADERS_OVERFLOW$/, 'the headers of the answer are too large'],
  [/^HPE_/, 'the answer is not valid HTTP'],
];

/** Words for whatever broke on the way to an answer. */
export function reasonFor(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return REASONS.find(([pattern]) => pattern.test(code))?.[1] ?? 'the connection broke off';
}
