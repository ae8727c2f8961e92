/**
 * Jobs that wait for a place in a provider batch, by model. Like a queue it only wakes: the record decides.
 *
 * Those of a batch that is paused are put aside, so that thousands of them do not stand before the others.
 */

import type { BatchId, EpochMs, JobId, Tenant } from '../domain/job.ts';
import type { WakeMessage } from './queue.ts';

export type PoolMember = { tenant: Tenant; id: JobId };
/** A caller's batch of which members were put aside. */
export type AsideBatch = { tenant: Tenant; id: BatchId };

export type Pool = {
  /**
   * Safe to send twice: a job lies in the pool once, and keeps its place there unless its priority, its deadline or what it
   * is judged by has changed. First by priority, then by deadline; newcomers stand behind those of their priority.
   */
  add(messages: Omit<WakeMessage, 'job'>[]): Promise<void>;
  /** Models of which there are members, in the pool or put aside. */
  models(): Promise<string[]>;
  /** Without those that were put aside. */
  size(model: string): Promise<number>;
  /** The next members, from position `offset` on. */
  peek(model: string, offset: number, limit: number): Promise<PoolMember[]>;
  /** Members whose deadline lies before `until`, whatever their priority, from position `offset` among them on. */
  pressed(model: string, until: EpochMs, offset: number, limit: number): Promise<PoolMember[]>;
  /** Some of all, at random. */
  some(model: string, limit: number): Promise<PoolMember[]>;
  /** Some of those of which it was not noted yet whether they can leave the lane, since they came or changed. */
  newcomers(model: string, limit: number): Promise<PoolMember[]>;
  /** Notes it, of those that are still members, instead of what was noted before. Safe to send twice. */
  weighed(model: string, newcomers: { leaving: PoolMember[]; staying: PoolMember[] }): Promise<void>;
  /** How many of the members that can leave the lane have their deadline at or before each of these instants. */
  dueBy(model: string, instants: EpochMs[]): Promise<number[]>;
  remove(model: string, members: PoolMember[]): Promise<void>;
  /** Takes those of these members out that are in the pool, and keeps them for `bringBack`. Safe to send twice. */
  putAside(model: string, batch: AsideBatch, members: PoolMember[]): Promise<void>;
  asides(model: string): Promise<AsideBatch[]>;
  /** Puts all members of the batch back to where they were, until `signal`. Safe to send twice, and to break off. */
  bringBack(model: string, batch: AsideBatch, signal: AbortSignal): Promise<number>;
};
