/**
 * A job as fields of a Redis hash: `r` request, `t` state, `v` version, `f` fingerprint, beside `s`, `a`, `n`, `h` for the scripts.
 * `s` is the status, or `held`.
 *
 * Of a job at rest and of a batch's row, which are most of what lies in Redis, `t` is both in their packed form and `r` is
 * empty or missing. A row's packed form goes on in the fields `1`, `2` …: Redis keeps a hash compactly, at half the size,
 * while none of its values passes 64 bytes (with its own settings). What is read behind its end is left over from a longer one, and is ignored.
 */

import { isTerminal, type Job, type JobRequest, type JobState } from '../../domain/index.ts';
import { isPacked, pack, unpack } from './pack.ts';

/** Bytes of one field of a packed record: one less than a length that takes Redis a second byte to say. */
const PIECE_BYTES = 63;
/** Longer ones are no longer small for all the pieces. */
const IN_PIECES_MAX = 1_024;

const EMPTY = Buffer.alloc(0);

/** @param fields of the whole hash. @returns `r`, `t`, `v` and `f`, as `parseRecord` takes them */
export function recordValues(fields: Record<string, Buffer>): (Buffer | null)[] {
  const { r = EMPTY, t = null, v = null, f = null } = fields;
  return [r, t && isPacked(t) ? joined(t, fields) : t, v, f];
}

function joined(first: Buffer, fields: Record<string, Buffer>): Buffer {
  const pieces = [first];
  for (let n = 1, piece = fields[n]; piece; piece = fields[++n]) pieces.push(piece);
  return pieces.length > 1 ? Buffer.concat(pieces) : first;
}

/** Ended, with no call out whose image could come late. */
function isAtRest({ status, open }: JobState): boolean {
  return isTerminal(status) && !open;
}

/** Kept in the packed form: at rest, or one of thousands of rows. */
export function isPackedJob({ request, state }: Job): boolean {
  return isAtRest(state) || request.batch !== undefined;
}

/** In how long pieces the state is laid down: all of it in one, unless it is one of thousands of rows and short. */
export function pieceBytes({ request }: Job, state: string | Buffer): number {
  return request.batch && state.length <= IN_PIECES_MAX ? PIECE_BYTES : state.length;
}

/** The fields `r` and `t`, the latter whole. */
export function formatRecord(job: Job): { request: string; state: string | Buffer } {
  const { id, request, state } = job;
  if (isPackedJob(job)) return { request: '', state: pack(id, { request, state }) };
  return { request: JSON.stringify(request), state: JSON.stringify(state) };
}

/** @param values of `r`, `t`, `v` and `f`. @throws when they cannot be read */
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
