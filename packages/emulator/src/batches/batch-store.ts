/**
 * The batches of all projects.
 *
 * What becomes of a batch is fixed when it is created and read off the clock; only cancelling, or a test, changes it. At its
 * end it is billed for what was answered by then, and its output becomes a file. A deleted batch is hidden, not stopped.
 */
import { EventEmitter } from 'node:events';
import { countBatch } from '../bill.ts';
import type { Course } from '../faults/course.ts';
import type { Model } from '../models.ts';
import { createRandom } from '../random.ts';
import type { Settings } from '../settings.ts';
import type { World } from '../world.ts';
import type { WebhookConfig } from './create-body.ts';
import type { Line, Tools } from './line.ts';
import { doneLines, resultLines } from './output.ts';
import { cancel, isOver, linesDone, plot, type Timeline } from './timeline.ts';

export type Batch = {
  /** Grows with each batch. */
  n: number;
  /** Without its `batches/`. */
  id: string;
  project: string;
  model: Model;
  displayName: string;
  priority: string | undefined;
  webhookConfig: WebhookConfig | undefined;
  /** The id of the input's file; none = its requests came with it. */
  inputFile: string | undefined;
  /** A copy of the input that is the batch's own. */
  inputPath: string;
  lines: Line[];
  /** As they were when it was created. */
  settings: Settings;
  course: Course;
  timeline: Timeline;
  updatedAt: number;
  deleted: boolean;
};

type NewBatch = Omit<Batch, 'n' | 'timeline' | 'updatedAt' | 'deleted'>;

export type BatchStore = {
  add(batch: NewBatch): Batch;
  /** Of a project, unless it was deleted. */
  get(id: string, project: string): Batch | undefined;
  /** Any batch, deleted ones too. */
  find(id: string): Batch | undefined;
  /** Those a project can see, oldest first. */
  list(project: string): Batch[];
  /** All, oldest first. */
  all(): Batch[];
  /** Those of a project that are not over. */
  active(project: string): Batch[];
  cancel(batch: Batch): void;
  /** Changes the course of a batch that is not over. */
  redirect(batch: Batch, course: Course): void;
  delete(batch: Batch): void;
  /** Called when a batch is created, starts, ends, or changes its course. */
  onChange(listener: (batch: Batch) => void): () => void;
};

/** The oldest go beyond this many. */
const BATCHES_MAX = 5_000;

type Parts = Tools & Pick<World, 'clock' | 'journal' | 'disk' | 'files'>;

export function createBatchStore(parts: Parts): BatchStore {
  const { clock } = parts;
  const batches = new Map<string, Batch & { forget: (() => void)[] }>();
  const changes = new EventEmitter<{ change: [Batch] }>().setMaxListeners(0);
  let last = 0;

  /** Lets the clock do what is due at the start and at the end. */
  function schedule(id: string): void {
    const batch = batches.get(id);
    if (!batch) return;
    for (const forget of batch.forget) forget();
    const { startsAt, endsAt } = batch.timeline;
    const now = clock.now();
    const later = (instant: number, act: () => void) => (Number.isFinite(instant) ? [clock.at(instant, act)] : []);
    batch.forget = [
      ...(startsAt > now && startsAt < endsAt ? later(startsAt, () => changes.emit('change', batch)) : []),
      ...later(endsAt, () => end(parts, batch, changes)),
    ];
    clock.catchUp();
  }

  function move(id: string, timeline: Timeline, course: Course): void {
    const batch = batches.get(id);
    if (!batch) return;
    Object.assign(batch, { timeline, course, updatedAt: clock.now() });
    changes.emit('change', batch);
    schedule(id);
  }

  function dropOldest(): void {
    const [oldest] = batches.values();
    if (batches.size <= BATCHES_MAX || !oldest) return;
    for (const forget of oldest.forget) forget();
    batches.delete(oldest.id);
    if (!parts.files.has(outputIdOf(oldest))) parts.disk.remove(oldest.inputPath);
  }

  const plotFor = (course: Course, id: string, settings: Settings, createdAt: number) => {
    const { turnaround_ms: turnaroundMs, spread, life_ms: lifeMs } = settings.batches;
    return plot(course, createdAt, { turnaroundMs, spread, lifeMs, random: createRandom(parts.seed, 'course', id) });
  };
  const isOpen = (batch: Batch) => !isOver(batch.timeline, clock.now());

  return {
    add(given) {
      last += 1;
      const now = clock.now();
      const timeline = plotFor(given.course, given.id, given.settings, now);
      const batch = { ...given, n: last, timeline, updatedAt: now, deleted: false, forget: [] };
      batches.set(batch.id, batch);
      changes.emit('change', batch);
      schedule(batch.id);
      dropOldest();
      return batch;
    },
    get(id, project) {
      const batch = batches.get(id);
      return batch && batch.project === project && !batch.deleted ? batch : undefined;
    },
    find: (id) => batches.get(id),
    list: (project) => [...batches.values()].filter((batch) => batch.project === project && !batch.deleted),
    all: () => [...batches.values()],
    active: (project) => [...batches.values()].filter((batch) => batch.project === project && isOpen(batch)),
    cancel(batch) {
      if (!isOpen(batch)) return;
      const done = batch.course.done === undefined ? {} : { done: batch.course.done };
      const timeline = { ...cancel(batch.timeline, clock.now(), batch.lines.length), ...done };
      move(batch.id, timeline, batch.course);
    },
    redirect(batch, course) {
      if (!isOpen(batch)) return;
      const merged = { ...batch.course, ...course };
      const plotted = plotFor(merged, batch.id, batch.settings, batch.timeline.createdAt);
      move(batch.id, { ...plotted, endsAt: Math.max(plotted.endsAt, clock.now()) }, merged);
    },
    delete(batch) {
      batch.deleted = true;
    },
    onChange(listener) {
      changes.on('change', listener);
      return () => changes.off('change', listener);
    },
  };
}

/** The id of the file that a batch puts out. */
export function outputIdOf({ id }: Pick<Batch, 'id'>): string {
  return `batch-${id}`;
}

/** Whether a batch that is over has any output. */
export function hasOutput({ timeline, lines }: Batch): boolean {
  return timeline.ends !== 'failed' && linesDone(timeline, timeline.endsAt, lines.length) > 0;
}

function end(parts: Parts, batch: Batch, changes: EventEmitter<{ change: [Batch] }>): void {
  const { journal, disk } = parts;
  batch.updatedAt = batch.timeline.endsAt;
  const head = { id: batch.id, model: batch.model.id, displayName: batch.displayName };
  journal.book((bill) => countBatch(bill, head, chargesOf(doneLines(batch))));
  if (hasOutput(batch) && batch.inputFile !== undefined) putOut(parts, batch);
  else if (!hasOutput(batch)) disk.remove(batch.inputPath);
  changes.emit('change', batch);
}

/** What was made for each line; a line that was refused was answered once, for nothing. */
function* chargesOf(lines: readonly Line[]): Generator<Line['charges'][number]> {
  for (const { error, charges } of lines) yield* error ? [undefined] : charges;
}

function putOut(parts: Parts, batch: Batch): void {
  const { files, disk } = parts;
  const { endsAt } = batch.timeline;
  files.add({
    id: outputIdOf(batch),
    project: batch.project,
    displayName: undefined,
    mimeType: 'application/jsonl',
    // Known to nobody before it was made once.
    sizeBytes: undefined,
    sha256Hex: undefined,
    source: 'GENERATED',
    createdAt: endsAt,
    activeAt: endsAt + (batch.course.outputAfterMs ?? 0),
    expiresAt: endsAt + batch.settings.files.life_ms,
    content: {
      bytes: { [Symbol.asyncIterator]: () => resultLines(parts, batch) },
      remove: () => disk.remove(batch.inputPath),
    },
  });
}
