/** Which channel carries the next call of a job. Pure. */

import type { ChannelSpec, Place, ServedModel } from './channel.ts';
import type { EpochMs, Micros } from './job.ts';

/** A channel that could carry the request, as it stands. `readyAt` ≤ now = its quota has room. */
export type Candidate = {
  spec: ChannelSpec;
  served: ServedModel;
  place: Place;
  /** Expected cost there. */
  cost: Micros;
  breaker: 'closed' | 'open' | 'half_open';
  out: boolean;
  readyAt: EpochMs;
  /** Failed calls of this very job there, so that the next goes elsewhere first. */
  failed: number;
};

export type ChannelChoice =
  /** Best first: the next is tried when the first has no leave after all. */
  | { type: 'try'; order: [Candidate, ...Candidate[]] }
  | { type: 'wait'; until: EpochMs; reason: 'rate_limited' | 'parked' | 'broken' }
  | { type: 'none'; refusals: { channel: string; why: string }[] };
