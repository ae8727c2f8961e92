/**
 * Who is next. All jobs of a model that wait for a call of their own stand in lines, one for each set of channels that
 * could carry them: so a line that has to wait holds up no other. Messages only ring; which job is taken is decided here.
 */

import type { EpochMs, JobId, Tenant } from '../domain/job.ts';

export type Standing = {
  tenant: Tenant;
  id: JobId;
  /** The caller's key, where it has limits of its own. */
  key?: string;
  model: string;
  /** Ids of the channels that could carry it, sorted: names its line. */
  channels: readonly string[];
  /** 1 (last) to 9 (first); then the earlier deadline, then who waits longer. */
  priority: number;
  expiresAt: EpochMs;
};

/** What a tenant may have of a model's calls: its share by weight, and bounds. */
export type Share = { weight: number; concurrency?: number; startsPerMinute?: number };

export type Picked =
  | { type: 'job'; standing: Standing }
  /** Somebody waits, and nobody may go before. */
  | { type: 'wait'; ms: number }
  | { type: 'empty' };

/** Every method may be sent twice with the same effect as once. */
export type Lines = {
  /** Lets jobs stand in line; who stands there already moves to where it belongs now. */
  add(standings: Standing[]): Promise<void>;
  /** Takes the next job whose line is open, fairly by tenant. Unless `started`, `putBack` or `drop` follows within a minute it stands in line again. */
  pick(model: string): Promise<Picked>;
  /** It is running, and counts against the bounds of its tenant and key until `ended`. */
  started(standing: Standing): Promise<void>;
  ended(standing: Standing): Promise<void>;
  /** It could not go; stands where it stood, and its turn was not used. With `waitMs` its whole line waits as long. */
  putBack(standing: Standing, waitMs?: number): Promise<void>;
  /** It does not wait any more. */
  drop(standing: Standing): Promise<void>;
  /** Ends the waits of all lines that a channel is in. */
  open(model: string, channel: string): Promise<void>;
  /** How many calls of its model are likely to come before it, fairness included; `undefined` when it stands in no line. */
  position(model: string, job: { tenant: Tenant; id: JobId }): Promise<{ ahead: number; standing: number } | undefined>;
  /** Waiting jobs by tenant. */
  sizes(model: string): Promise<{ tenant: Tenant; waiting: number; running: number }[]>;
};
