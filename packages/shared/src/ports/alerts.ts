/** What alerts are made of, over all workers, and what has been told of them. */

import type { AlertState, AlertSubject, Telling } from '../domain/alert.ts';
import type { CallCounts } from '../domain/alert-calls.ts';
import type { Place } from '../domain/channel.ts';
import type { EpochMs, Micros, ProviderBatchId, Tenant } from '../domain/job.ts';

/** A call that ended; `ms` where it says how fast the provider is. */
export type EndedCall = { channel: string; model: string; failed: boolean; ms?: number };

/** Nothing here fails or is waited for: a note that gets lost, or is written twice, is one of many. */
export type CallNotes = {
  ended(call: EndedCall): void;
  /**
   * The jobs of a provider batch go on in the standard lane, or one whose call failed goes to another channel. Counts once
   * for each batch, and once in ten minutes for each place.
   */
  failedOver(from: ProviderBatchId | Place): void;
  /** Resolves when everything noted so far has been written or given up. */
  flush(): Promise<void>;
};

export type Alerts = {
  /** Whether it is the caller's turn to look: one of all is told so, each `ms`. */
  takeTurn(ms: number): Promise<boolean>;
  /** Calls that ended within the window. */
  calls(): Promise<CallCounts[]>;
  /** Models that a call was made of lately. */
  modelsInUse(): Promise<ReadonlySet<string>>;
  /** Fail-overs within the last hour, as `CallNotes.failedOver` counts them. */
  failovers(): Promise<number>;
  /** Notes how much money is in doubt, and answers by how much that has grown within the last hour. */
  doubtGrown(inDoubt: Micros): Promise<Micros>;
  /** What was told to a tenant, by the alert. */
  states(tenant: Tenant): Promise<(subject: AlertSubject) => AlertState | undefined>;
  /** Writes the event and the next state as one. `false` = somebody else told something of this alert first. */
  tell(tenant: Tenant, telling: Telling): Promise<boolean>;
};

/** When the calls are counted from: the last so many milliseconds, in steps of a tenth. */
export type CallWindow = { windowMs: number; now: () => EpochMs };
