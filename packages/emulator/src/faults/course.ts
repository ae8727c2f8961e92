/** How a fault script tells the course of a batch: what becomes of it, when, and what its output looks like. */
import { z } from 'zod';

/** A year: of the emulator's own time, which may go fast. */
const span = z
  .number()
  .int()
  .min(0)
  .max(366 * 24 * 3_600_000);

export const Course = z.strictObject({
  /** `expired` is PENDING until its 48 hours are over; `never` is PENDING for ever. Default `succeeded`. */
  ends: z.enum(['succeeded', 'failed', 'cancelled', 'expired', 'never']).optional(),
  /** From its creation until it is RUNNING, and from there to its end. By default drawn around `turnaround_ms`. */
  pendingMs: span.optional(),
  runningMs: span.optional(),
  /** Share of its lines that are answered, and billed, by its end. Default: 1 of `succeeded`, else none. */
  done: z.number().min(0).max(1).optional(),
  /** The error of one that `failed`, with a gRPC code. */
  error: z.strictObject({ code: z.number().int().min(1).max(16), message: z.string().max(2000) }).optional(),
  /** Of a job: so long of its pending time it is QUEUED. */
  queuedMs: span.optional(),
  /** So long after it was cancelled it goes on; of a job, CANCELLING. */
  cancellingMs: span.optional(),
  /** How its states are spelled. */
  prefix: z.enum(['BATCH_STATE_', 'JOB_STATE_']).optional(),
  /** Of the output's lines. */
  order: z.enum(['shuffled', 'input']).optional(),
  /** The output ends in the middle of its last line. */
  truncated: z.boolean().optional(),
  /** So long after its end the output is not found yet. */
  outputAfterMs: span.optional(),
});
export type Course = z.infer<typeof Course>;
