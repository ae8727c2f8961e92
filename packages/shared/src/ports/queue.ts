/** Wake-up calls for workers. A message may arrive twice, late or never: the record decides. */

import type { EpochMs, JobId, Lane, Tenant } from '../domain/job.ts';

export type WakeMessage = {
  tenant: Tenant;
  id: JobId;
  version: number;
  model: string;
  lane: Lane;
  priority: number;
  runAt: EpochMs;
  expiresAt: EpochMs;
  /** What it is judged by has changed outside its record: the money of its batch. */
  anew?: boolean;
};

export type WakeQueue = {
  /** Safe to send twice: one version of a job has one message. */
  enqueue(messages: WakeMessage[], now: EpochMs): Promise<void>;
  /** Takes back the message of a version whose place among the others is no longer right, unless a worker has it already. */
  withdraw(message: WakeMessage): Promise<void>;
};
