/** Errors of single lines, and of whole batches: a `google.rpc.Status`, with a number in place of a name. */
import type { GoogleStatus, Refusal } from '../http/google-error.ts';

export type RpcStatus = { code: number; message: string };

/** What a batch failed of, when nobody says. */
export const FAILED: RpcStatus = { code: 13, message: 'Internal error encountered.' };

const CODES: Readonly<Record<GoogleStatus, number>> = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
};

export function toRpcStatus({ status, message }: Refusal): RpcStatus {
  return { code: CODES[status], message };
}
