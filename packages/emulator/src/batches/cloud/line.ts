/** A line of a job's output: all of its input, a status, and the answer. */
import type { GoogleStatus } from '../../http/google-error.ts';
import type { RpcStatus } from '../rpc-status.ts';

type Told = {
  request: unknown;
  /** What else stood on the line. */
  extra: Record<string, unknown>;
  processedAt: number;
};

/** The line of a request that was answered. */
export function answeredLine({ request, extra, processedAt }: Told, response: unknown): Record<string, unknown> {
  return { ...extra, status: '', processed_time: processedTime(processedAt), request, response };
}

/** The line of a request that was refused. Of the texts, that of a bad request is known; the others follow it. */
export function refusedLine({ request, extra, processedAt }: Told, error: RpcStatus): Record<string, unknown> {
  const [http, phrase, status] = NAMES[error.code] ?? [500, 'Internal Server Error', 'INTERNAL'];
  const body = JSON.stringify({ error: { code: http, message: error.message, status } });
  const told = { status: `${phrase}: ${body}`, processed_time: processedTime(processedAt) };
  return { ...extra, ...told, request, response: {} };
}

const NAMES: Readonly<Record<number, readonly [http: number, phrase: string, status: GoogleStatus]>> = {
  1: [499, 'Client Closed Request', 'CANCELLED'],
  3: [400, 'Bad Request', 'INVALID_ARGUMENT'],
  4: [504, 'Gateway Timeout', 'DEADLINE_EXCEEDED'],
  5: [404, 'Not Found', 'NOT_FOUND'],
  7: [403, 'Forbidden', 'PERMISSION_DENIED'],
  8: [429, 'Too Many Requests', 'RESOURCE_EXHAUSTED'],
  9: [400, 'Bad Request', 'FAILED_PRECONDITION'],
  14: [503, 'Service Unavailable', 'UNAVAILABLE'],
};

function processedTime(instant: number): string {
  return new Date(instant).toISOString().replace('Z', '+00:00');
}
