/** Every error as RFC 9457 problem details. */

import { AppError, type ErrorCode } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import { ERROR_FACTS, FIXES, jsonFault, type Problem } from '@darkroom/shared/schemas';
import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';

/**
 * What no route has answered: 405 where another method would have been, 404 elsewhere.
 *
 * @param methodsOf what a path takes
 */
export function notFound(methodsOf: (path: string) => readonly string[]): RequestHandler {
  return (req, res) => {
    const methods = methodsOf(req.path);
    if (methods.length) throw methodNotAllowed(req, res, methods);
    throw new AppError('not_found', {
      message: `There is no ${req.method} ${req.path}.`,
      fix: 'See /docs for every route.',
    });
  };
}

/** With its `Allow` header set. */
export function methodNotAllowed({ method, path }: Request, res: Response, methods: readonly string[]): AppError {
  res.set('allow', methods.join(', '));
  return new AppError('method_not_allowed', {
    message: `${path} does not take ${method}.`,
    fix: `Use ${methods.join(' or ')}; see /docs for every route.`,
  });
}

/** Express knows an error handler by its four parameters. */
export function problemHandler(log: Log): ErrorRequestHandler {
  return (thrown, req, res, _next) => {
    // The caller hung up half way through the body: whatever broke of that is no bug, and nobody waits for an answer.
    if (req.readableAborted) return;
    const error = toAppError(thrown);
    const requestId = String(res.locals['requestId']);
    if (error.code === 'internal') log.error({ requestId, ...describeError(thrown) }, 'http.bug');
    else if (error.code === 'not_ready' && error.cause)
      log.warn({ requestId, ...describeError(thrown) }, 'http.outage');
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const problem = toProblem(error, requestId);
    if (error.retryAfterMs !== undefined || problem.status === 503 || problem.status === 429) {
      res.set('retry-after', String(Math.ceil((error.retryAfterMs ?? 5_000) / 1_000)));
    }
    if (problem.status === 401) res.set('www-authenticate', 'Bearer realm="darkroom"');
    res
      .status(problem.status)
      .type('application/problem+json')
      .send(`${JSON.stringify(problem)}\n`);
  };
}

export function toProblem(error: AppError, requestId: string): Problem {
  const { status, category, title } = ERROR_FACTS[error.code];
  return {
    type: errorType(error.code),
    title,
    status,
    code: error.code,
    category,
    detail: error.message,
    retryable: error.retryable,
    ...(error.param && { param: error.param }),
    fix: error.fix ?? FIXES[error.code],
    ...(error.errors && { errors: error.errors }),
    ...error.extensions,
    request_id: requestId,
  };
}

/** A problem's `type`: relative, so it leads to the very installation that answered. */
export function errorType(code: ErrorCode): string {
  return `/errors/${code}`;
}

/** What the body parser and the store threw, in our words; anything unknown is a bug and says nothing. */
function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const { type, status } = thrown as { type?: string; status?: number };
  if (type === 'entity.too.large') return bodyTooLarge(thrown as { limit: number; length?: number });
  if (type === 'entity.parse.failed') return notJson(thrown as { body?: unknown; message: string });
  if (type === 'charset.unsupported') {
    return unsupportedHeader('Content-Type', 'The charset is not known.', 'Send UTF-8 JSON.');
  }
  if (type === 'encoding.unsupported') {
    return unsupportedHeader(
      'Content-Encoding',
      'The encoding is not known.',
      'Send it plain, or by gzip, deflate or br.',
    );
  }
  if (isOutage(thrown)) {
    return new AppError('not_ready', {
      message: 'The service cannot reach its store just now.',
      retryable: true,
      cause: thrown,
    });
  }
  if (status !== undefined && status >= 400 && status < 500) {
    return new AppError('invalid_request', { message: 'The request is not valid HTTP for this route.', cause: thrown });
  }
  return new AppError('internal', { message: 'Something went wrong here; it has been logged.', cause: thrown });
}

/** @param length of the body, when it is known: one that is packed or comes in pieces is read no further than the limit */
export function bodyTooLarge({ limit, length }: { limit: number; length?: number | undefined }): AppError {
  const most = `${limit} bytes (${limit / 1_048_576} MB)`;
  const message = length
    ? `The body has ${length} bytes; at most ${most} are taken.`
    : `The body has more than ${most}.`;
  return new AppError('payload_too_large', { message });
}

function notJson({ body, message }: { body?: unknown; message: string }): AppError {
  const fault = typeof body === 'string' ? jsonFault(body, message) : undefined;
  if (!fault) {
    return new AppError('invalid_request', {
      message: 'The body is not valid JSON.',
      fix: 'Check for a cut or a stray comma.',
    });
  }
  const { offset, line, column, what } = fault;
  return new AppError('invalid_request', {
    message: `The body is not valid JSON: at line ${line}, column ${column}, ${what}.`,
    fix: `Look at line ${line}, column ${column} for a stray comma, a missing quote or a cut.`,
    errors: [{ path: '', message: `is not valid JSON at line ${line}, column ${column} (offset ${offset}): ${what}` }],
  });
}

function unsupportedHeader(param: string, message: string, fix: string): AppError {
  return new AppError('unsupported_content_type', { message, param, fix });
}

/** Redis away, hung, loading, read-only or full; any other answer of Redis is a bug of ours. */
function isOutage(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false;
  return (
    thrown.name === 'MaxRetriesPerRequestError' ||
    /^-?(OOM|READONLY|LOADING|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY)\b/.test(thrown.message) ||
    /Connection is closed|Command timed out|Stream isn't writeable|ECONNREFUSED|ECONNRESET/.test(thrown.message)
  );
}
