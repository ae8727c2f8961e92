/** Which workers are there, as they tell by themselves. */

export type WorkerState = { spoolFull: boolean };

export type LiveWorker = WorkerState & { id: string };

export type Workers = {
  /** Says that the worker lives, for some seconds. */
  beat(id: string, state: WorkerState): Promise<void>;
  /** Those that said so lately. */
  live(): Promise<LiveWorker[]>;
};
