/** A batch as Vertex shows it: a batch prediction job. */
import type { Batch } from '../batch-store.ts';
import { FAILED, type RpcStatus } from '../rpc-status.ts';
import { hasOutput, isOver, linesDone, stateAt } from '../timeline.ts';
import type { Cloud } from './cloud.ts';

export type Job = Batch & { cloud: Cloud };

export function isJob(batch: Batch): batch is Job {
  return batch.cloud !== undefined;
}

/** The name of the job's state. */
export function jobState({ timeline, course, cloud }: Job, now: number): string {
  const over = isOver(timeline, now);
  if (over && cloud.failure) return 'JOB_STATE_FAILED';
  if (!over && timeline.cancelledAt !== undefined) return 'JOB_STATE_CANCELLING';
  const state = stateAt(timeline, now);
  if (state === 'PENDING' && now < timeline.createdAt + (course.queuedMs ?? 0)) return 'JOB_STATE_QUEUED';
  return state === 'SUCCEEDED' && timeline.done < 1 ? 'JOB_STATE_PARTIALLY_SUCCEEDED' : `JOB_STATE_${state}`;
}

export function toJob(job: Job, now: number): Record<string, unknown> {
  const { timeline, cloud } = job;
  const { body } = cloud;
  const over = isOver(timeline, now);
  const error = over ? errorOf(job) : undefined;
  return {
    name: `${cloud.parent}/batchPredictionJobs/${job.id}`,
    displayName: job.displayName,
    model: body.model,
    inputConfig: body.inputConfig,
    outputConfig: body.outputConfig,
    ...(body.labels && { labels: body.labels }),
    state: jobState(job, now),
    ...(error && { error }),
    ...(over && !error && hasOutput(job) && { outputInfo: { gcsOutputDirectory: directoryOf(cloud) } }),
    ...(now >= timeline.startsAt && { completionStats: statsOf(job, now) }),
    createTime: micros(timeline.createdAt),
    ...(now >= timeline.startsAt && { startTime: micros(timeline.startsAt) }),
    ...(over && { endTime: micros(timeline.endsAt) }),
    updateTime: micros(Math.min(now, job.updatedAt)),
    modelVersionId: '1',
  };
}

function directoryOf({ output }: Cloud): string {
  return `gs://${output.bucket}/${output.name}`;
}

function errorOf({ timeline, course, cloud }: Job): RpcStatus | undefined {
  return cloud.failure ?? (timeline.ends === 'failed' ? (course.error ?? FAILED) : undefined);
}

/** int64 as strings; what is zero is not there. */
function statsOf({ timeline, lines }: Job, now: number): Record<string, string> {
  const done = linesDone(timeline, now, lines.length);
  const failed = lines.slice(0, done).filter(({ error }) => error).length;
  const counts = { successfulCount: done - failed, failedCount: failed, incompleteCount: lines.length - done };
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return Object.fromEntries(shown.map(([name, count]) => [name, String(count)]));
}

function micros(instant: number): string {
  return new Date(instant).toISOString().replace('Z', '000Z');
}
