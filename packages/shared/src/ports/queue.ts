/** Wake-up calls for workers. A message may arrive twice, late or never: the record decides. */

import type { EpochMs, Job, JobId, Lane, Tenant } from '../domain/job.ts';

export type WakeMessage = {
  tenant: Tenant;
  id: JobId;
  version: number;
  model: string;
  lane: Lane;
  priority: number;
  runAt: EpochMs;
  expiresAt: EpochMs;
  /** As it was when the message was made: where it stands in line follows from it. */
  job: Job;
  /** What it is judged by has changed outside its record: the money of its batch. */
  anew?: boolean;
};

export type WakeQueue = {
  /** Safe to send twice: one version of a job has one message. */
  enqueue(messages: WakeMessage[], now: EpochMs): Promise<void>;
};
