/**
 * Who is next. All jobs of a model that wait for a call of their own stand in lines, one for each set of channels that
 * could carry them: so a line that has to wait holds up no other. Messages only ring; which job is taken is decided here.
 *
 * A job is in one of three places: it stands in line, it is picked, or it runs. A pick that nobody follows up within a
 * minute was made by a worker that died: the job stands where it stood. Lines may hold a job that no longer waits, or hold
 * it twice; whoever picks it reads the record, which decides, and drops it.
 */

import type { Crowd } from '../domain/fair-share.ts';
import type { Tenant } from '../domain/job.ts';
import type { LineStanding, Stander } from '../domain/line-order.ts';

/** A pick: a job whose turn it is. */
export type LineTurn = Stander & {
  channels: readonly string[];
  /** Names the pick. */
  turn: string;
};

/** What somebody may have at once, and in any minute. */
export type Bounds = { concurrency?: number; startsPerMinute?: number };

/** What one key may have: of each model's calls, and how often it may submit. */
export type KeyBounds = Bounds & { submissionsPerMinute?: number };

/** What a tenant may have of a model's calls: its share by weight, above 0, and bounds. */
export type Share = Bounds & { weight: number };

/** Jobs that wait, and those that are picked or run. */
export type LineSize = { waiting: number; running: number };

export type Picked =
  | { type: 'job'; turn: LineTurn }
  /** Somebody waits, or was just picked, and nobody may go before. */
  | { type: 'wait'; ms: number }
  | { type: 'empty' };

export type TenantSize = LineSize & { tenant: Tenant; keys?: Record<string, LineSize> };

/** Every method may be sent twice with the same effect as once. */
export type Lines = {
  /** Lets jobs stand in line; who stands there already moves to where it belongs now. */
  add(standings: readonly LineStanding[]): Promise<void>;
  /** Lets a job stand in line in so many ms, without anybody who rings for it; where it stands now it stands no more. */
  addLater(standing: LineStanding, ms: number): Promise<void>;
  /** Takes the next job whose line is open, fairly by tenant. Unless `started`, `putBack` or `drop` follows within a minute it stands in line again. */
  pick(model: string): Promise<Picked>;
  /**
   * It is running, and counts against the bounds of its tenant and key until `ended`, or for as long as a call can last.
   *
   * @param as what `ended` names it by, so that others can end it than who picked it; the name of the turn if left out
   */
  started(turn: LineTurn, as?: string): Promise<void>;
  ended(running: Stander & Pick<LineTurn, 'turn'>): Promise<void>;
  /** It could not go; stands where it stood, and its turn was not used. With `waitMs` its whole line waits as long. */
  putBack(turn: LineTurn, waitMs?: number): Promise<void>;
  /** It does not wait any more; a turn is given back unused. */
  drop(stander: Stander | LineTurn): Promise<void>;
  /** Ends the waits of all lines that a channel is in. */
  open(model: string, channel: string): Promise<void>;
  /** What stands around a job, for `jobsAhead` and `expectedAt`; `undefined` when it stands in no line. */
  crowd(stander: Stander): Promise<Crowd | undefined>;
  /** By tenant; `keys` = those among them of keys that have limits of their own. */
  sizes(model: string): Promise<TenantSize[]>;
};
