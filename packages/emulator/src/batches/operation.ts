/** A batch as the API shows it: a long-running operation. */
import { timestamp } from '../clock.ts';
import type { Batch } from './batch-store.ts';
import { outputIdOf } from './end.ts';
import { FAILED } from './rpc-status.ts';
import { hasOutput, isOver, linesDone, stateAt } from './timeline.ts';

const TYPE = 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch';

/**
 * @param inlined stands for the list of inline answers; none = they are left out
 */
export function toOperation(batch: Batch, now: number, inlined?: unknown): Record<string, unknown> {
  const { timeline, course } = batch;
  const over = isOver(timeline, now);
  const output = over && hasOutput(batch) ? outputOf(batch, inlined) : undefined;
  return {
    name: `batches/${batch.id}`,
    metadata: {
      '@type': TYPE,
      model: `models/${batch.model.id}`,
      displayName: batch.displayName,
      ...(batch.inputFile !== undefined && { inputConfig: { fileName: `files/${batch.inputFile}` } }),
      ...(output && { output }),
      createTime: timestamp(timeline.createdAt),
      ...(over && { endTime: timestamp(timeline.endsAt) }),
      updateTime: timestamp(Math.min(now, batch.updatedAt)),
      batchStats: statsOf(batch, now),
      state: `${course.prefix ?? 'BATCH_STATE_'}${stateAt(timeline, now)}`,
      ...(batch.priority !== undefined && { priority: batch.priority }),
      name: `batches/${batch.id}`,
    },
    ...(over && { done: true }),
    ...(over && timeline.ends === 'failed' && { error: course.error ?? FAILED }),
    // The same output a second time: this is how the real one weighs twice.
    ...(output && { response: { '@type': `${TYPE}Output`, ...output } }),
  };
}

function outputOf(batch: Batch, inlined: unknown): Record<string, unknown> | undefined {
  if (batch.inputFile !== undefined) return { responsesFile: `files/${outputIdOf(batch)}` };
  return inlined === undefined ? undefined : { inlinedResponses: { inlinedResponses: inlined } };
}

/** int64 as strings; what is zero is not there. */
function statsOf({ timeline, lines }: Batch, now: number): Record<string, string> {
  const done = linesDone(timeline, now, lines.length);
  const failed = lines.slice(0, done).filter(({ error }) => error).length;
  const counts = {
    requestCount: lines.length,
    pendingRequestCount: lines.length - done,
    successfulRequestCount: done - failed,
    failedRequestCount: failed,
  };
  const shown = Object.entries(counts).filter(([, count]) => count > 0);
  return Object.fromEntries(shown.map(([name, count]) => [name, String(count)]));
}
