/** Jobs that wait for a place in a provider batch, by model. Like a queue it only wakes: the record decides. */

import type { EpochMs, JobId, Tenant } from '../domain/job.ts';
import type { WakeMessage } from './queue.ts';

export type PoolMember = { tenant: Tenant; id: JobId };

export type Pool = {
  /** Safe to send twice: a job lies in the pool once. First by priority, then by deadline. */
  add(messages: WakeMessage[]): Promise<void>;
  /** Models that somebody waits for. */
  models(): Promise<string[]>;
  size(model: string): Promise<number>;
  /** The next members, from position `offset` on. */
  peek(model: string, offset: number, limit: number): Promise<PoolMember[]>;
  /** Members whose deadline lies before `until`, whatever their priority. */
  pressed(model: string, until: EpochMs, limit: number): Promise<PoolMember[]>;
  remove(model: string, members: PoolMember[]): Promise<void>;
};
