/** What a webhook says: little more than where to look. */
import type { Batch } from '../batches/batch-store.ts';
import { outputIdOf } from '../batches/end.ts';
import { hasOutput } from '../batches/timeline.ts';

export type WebhookEvent = { type: string; version: 'v1'; timestamp: string; data: Record<string, unknown> };

/** The event of a batch that is over. */
export function eventOf(batch: Batch): WebhookEvent {
  const { timeline, course, id } = batch;
  const { code, message } = course.error ?? { code: 13, message: 'Internal error encountered.' };
  return {
    type: `batch.${timeline.ends}`,
    version: 'v1',
    timestamp: new Date(timeline.endsAt).toISOString(),
    data: {
      id: `batches/${id}`,
      ...(hasOutput(batch) && batch.inputFile !== undefined && { output_file_uri: `files/${outputIdOf(batch)}` }),
      ...(timeline.ends === 'failed' && { error_code: code, error_message: message }),
    },
  };
}
