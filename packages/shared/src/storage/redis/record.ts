/** A job as fields of a Redis hash: `r` request, `t` state, `v` version, `f` fingerprint, beside `s`, `a`, `n`, `h` for the scripts. */

import type { Job, JobRequest, JobState } from '../../domain/index.ts';

export const RECORD_FIELDS = ['r', 't', 'v', 'f'] as const;

/** @param values of `RECORD_FIELDS`, in that order, as Redis gave them */
export function parseRecord(tenant: string, id: string, values: (string | null)[]): Job | undefined {
  const [request, state, version, fingerprint] = values;
  if (!request || !state || !version || !fingerprint) return undefined;
  return {
    id,
    tenant,
    version: Number(version),
    fingerprint,
    // Written by this program from these very types; the record is not an edge.
    request: JSON.parse(request) as JobRequest,
    state: JSON.parse(state) as JobState,
  };
}
