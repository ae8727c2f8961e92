/**
 * A job as fields of a Redis hash: `r` request, `t` state, `v` version, `f` fingerprint, beside `s`, `a`, `n`, `h` for the scripts.
 * `s` is the status, or `held`.
 *
 * Of a job at rest, which is most of what lies in Redis, `t` is both in their packed form and `r` is empty.
 */

import { isTerminal, type Job, type JobRequest, type JobState } from '../../domain/index.ts';
import { isPacked, pack, unpack } from './pack.ts';

export const RECORD_FIELDS = ['r', 't', 'v', 'f'] as const;

/** Ended, with no call out whose image could come late. */
export function isAtRest({ status, open }: JobState): boolean {
  return isTerminal(status) && !open;
}

/** The fields `r` and `t`. */
export function formatRecord({ id, request, state }: Job): { request: string; state: string | Buffer } {
  if (isAtRest(state)) return { request: '', state: pack(id, { request, state }) };
  return { request: JSON.stringify(request), state: JSON.stringify(state) };
}

/** @param values of `RECORD_FIELDS`, in that order, as Redis gave them. @throws when they cannot be read */
export function parseRecord(tenant: string, id: string, values: (Buffer | null)[]): Job | undefined {
  const [request, state, version, fingerprint] = values;
  if (!request || !state || !version || !fingerprint) return undefined;
  return {
    id,
    tenant,
    version: Number(version),
    fingerprint: fingerprint.toString(),
    ...(isPacked(state) ? unpack(id, state) : parsePlain(request, state)),
  };
}

/** Written by this program from these very types; the record is not an edge. */
function parsePlain(request: Buffer, state: Buffer): { request: JobRequest; state: JobState } {
  return { request: JSON.parse(request.toString()) as JobRequest, state: JSON.parse(state.toString()) as JobState };
}
