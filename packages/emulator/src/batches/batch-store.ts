/**
 * The batches of all projects.
 *
 * What becomes of a batch is fixed when it is created and read off the clock; only cancelling, or a test, changes it. At its
 * end it is billed for what was answered by then, and its output becomes a file. A deleted batch is hidden, not stopped.
 */
import { EventEmitter } from 'node:events';
import type { Course } from '../faults/course.ts';
import type { Model } from '../models.ts';
import { createRandom } from '../random.ts';
import type { Settings } from '../settings.ts';
import type { World } from '../world.ts';
import type { Cloud } from './cloud/cloud.ts';
import type { WebhookConfig } from './create-body.ts';
import { end, outputIdOf } from './end.ts';
import type { Line, Tools } from './line.ts';
import { cancel, isOver, plot, type Timeline } from './timeline.ts';

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
  /** Set when it is a batch prediction job. */
  cloud?: Cloud;
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
  /** Called once for each batch, when it is over, billed and put out. */
  onEnd(listener: (batch: Batch) => void): void;
};

/** The oldest go beyond this many. */
const BATCHES_MAX = 5_000;

type Parts = Tools & Pick<World, 'clock' | 'journal' | 'disk' | 'files' | 'closing'>;

export function createBatchStore(parts: Parts): BatchStore {
  const { clock } = parts;
  const batches = new Map<string, Batch & { forget: (() => void)[] }>();
  const changes = new EventEmitter<{ change: [Batch]; end: [Batch] }>().setMaxListeners(0);
  let last = 0;

  /** Lets the clock do what is due at the start and at the end: the end is told once. */
  function schedule(id: string): void {
    const batch = batches.get(id);
    if (!batch) return;
    for (const forget of batch.forget) forget();
    const { startsAt, endsAt } = batch.timeline;
    const later = (instant: number, act: () => void) => (Number.isFinite(instant) ? [clock.at(instant, act)] : []);
    const tell = () => void (isOpen(batch) && changes.emit('change', batch));
    batch.forget = [...later(startsAt, tell), ...later(endsAt, () => finish(batch))];
    tell();
    clock.catchUp();
  }

  function finish(batch: Batch): void {
    end(parts, batch);
    changes.emit('change', batch);
    changes.emit('end', batch);
  }

  function move(id: string, timeline: Timeline, course: Course): void {
    const batch = batches.get(id);
    if (!batch) return;
    Object.assign(batch, { timeline, course, updatedAt: clock.now() });
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
      const timeline = {
        ...cancel(batch.timeline, clock.now(), batch.lines.length, batch.course.cancellingMs),
        ...done,
      };
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
    onEnd: (listener) => changes.on('end', listener),
  };
}
