/** Batches as control shows them, and what can be told to them. */
import type { Batch } from '../batches/batch-store.ts';
import type { Line } from '../batches/line.ts';
import { doneLines } from '../batches/output.ts';
import { isOver, type State, stateAt, type Timeline } from '../batches/timeline.ts';
import type { Charge } from '../bill.ts';
import type { Course } from '../faults/course.ts';

/** A batch at a glance. Instants in epoch milliseconds of the emulator's time; `undefined` = never. */
export type BatchView = {
  id: string;
  display_name: string;
  model: string;
  project: string;
  state: State;
  created_at: number;
  starts_at: number | undefined;
  ends_at: number | undefined;
  /** Share of its lines answered by its end. */
  done: number;
  lines: number;
  tokens: number;
  /** The id of its input, unless its requests came with it. */
  input_file: string | undefined;
  priority: string | undefined;
  /** Hidden from the API, but not stopped. */
  deleted: boolean;
  course: Course;
};

/** What became of one line of a batch that is over. */
export type LineView = {
  key: string | undefined;
  /** A kind, or none. */
  fault: string | undefined;
  error_code: number | undefined;
  images: number;
  cost_micros: number;
  /** One for each answer that was paid. */
  charges: Charge[];
};

export function toBatchView(batch: Batch, now: number): BatchView {
  const { id, displayName, model, project, timeline, lines, inputFile, priority, deleted, course } = batch;
  return {
    id,
    display_name: displayName,
    model: model.id,
    project,
    state: stateAt(timeline, now),
    created_at: timeline.createdAt,
    starts_at: finite(timeline.startsAt),
    ends_at: finite(timeline.endsAt),
    done: timeline.done,
    lines: lines.length,
    tokens: lines.reduce((sum, { tokens }) => sum + tokens, 0),
    input_file: inputFile,
    priority,
    deleted,
    course,
  };
}

/** The answered lines of a batch, in the order of its input; none before it is over. */
export function toLineViews(batch: Batch, now: number): LineView[] {
  return isOver(batch.timeline, now) ? doneLines(batch).map(toLineView) : [];
}

function toLineView({ key, fault, error, charges }: Line): LineView {
  const paid = charges.filter((charge) => charge !== undefined);
  return {
    key,
    fault: fault?.kind,
    error_code: error?.code,
    images: paid.reduce((sum, { images }) => sum + images, 0),
    cost_micros: paid.reduce((sum, { cost_micros }) => sum + cost_micros, 0),
    charges: paid,
  };
}

function finite(instant: Timeline['endsAt']): number | undefined {
  return Number.isFinite(instant) ? instant : undefined;
}
