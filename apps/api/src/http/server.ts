/** The HTTP server around the app: how slow, how large and how many its callers may be. */

import { randomUUIDv7 } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, idFrom } from '@darkroom/shared/domain';
import { toProblem } from './problem.ts';
import { hasOwnPace } from './slow-body.ts';

export type HttpLimits = typeof HTTP_LIMITS;

/** Node's own limits let one dribbled header hold a connection for 89 seconds, and a dribbled body for minutes. */
export const HTTP_LIMITS = {
  headersTimeout: 10_000,
  // The largest body at half a megabyte a second.
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
  // Above the idle timeout of common proxies, so that it is never we who close first.
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16_384,
};

/** A server that does not listen yet, and cuts off who is too slow, too large or speaks no HTTP. */
export function createHttpServer(handle: RequestListener, limits: HttpLimits = HTTP_LIMITS): Server {
  const server = createServer(limits, handle);
  server.maxRequestsPerSocket = 1_000;
  server.maxConnections = 10_000;
  server.on('clientError', answerClientError);
  return server;
}

/** What never became a request is still told what was wrong with it, in the words of every other error. */
function answerClientError(error: Error & { code?: string }, socket: Duplex): void {
  // A body of any length: it is watched by who reads it. The server asks once, and has let go of it now.
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && hasOwnPace(socket)) return;
  // An answer may be half way out already, or nobody is left to read this one.
  if (!socket.writable || ('bytesWritten' in socket && Number(socket.bytesWritten) > 0)) {
    socket.destroy();
    return;
  }
  const { status, reason, appError } = judge(error.code);
  const problem = { ...toProblem(appError, idFrom('req', randomUUIDv7())), status };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    'Connection: close',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${problem.request_id}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** The status that proxies and clients know for each of Node's codes, and our own words for it. */
function judge(code: string | undefined): { status: number; reason: string; appError: AppError } {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const message = `The headers are larger than ${HTTP_LIMITS.maxHeaderSize / 1024} kB.`;
    const appError = new AppError('payload_too_large', { message, fix: 'Send fewer or shorter headers.' });
    return { status: 431, reason: 'Request Header Fields Too Large', appError };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const message = 'The request took too long to arrive.';
    const appError = new AppError('invalid_request', { message, fix: 'Send it again over a faster connection.' });
    return { status: 408, reason: 'Request Timeout', appError };
  }
  const appError = new AppError('invalid_request', {
    message: 'This is not valid HTTP/1.1.',
    fix: 'Use an HTTP client.',
  });
  return { status: 400, reason: 'Bad Request', appError };
}
