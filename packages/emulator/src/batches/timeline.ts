/** When a batch is in which state. Pure: what it will come to is fixed when it is created, until somebody changes it. */
import type { Course } from '../faults/course.ts';
import { between, logNormal, type Random } from '../random.ts';

type Ending = 'succeeded' | 'failed' | 'cancelled' | 'expired';
export type State = 'PENDING' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'EXPIRED';

/** Instants in epoch milliseconds; infinite = never. */
export type Timeline = {
  createdAt: number;
  startsAt: number;
  endsAt: number;
  ends: Ending;
  /** Share of its lines that are answered by its end. */
  done: number;
  /** Somebody cancelled it then. */
  cancelledAt?: number;
};

type Odds = { turnaroundMs: number; spread: number; lifeMs: number; random: Random };

const NEVER = Number.POSITIVE_INFINITY;
const STATES = { succeeded: 'SUCCEEDED', failed: 'FAILED', cancelled: 'CANCELLED', expired: 'EXPIRED' } as const;

/** What becomes of a batch: as its course says, else by chance, and in any case over when its life is. */
export function plot(course: Course, createdAt: number, odds: Odds): Timeline {
  const { ends = 'succeeded', done = ends === 'succeeded' ? 1 : 0 } = course;
  const drawn = draw(odds);
  const expiresAt = createdAt + odds.lifeMs;
  if (ends === 'never') return { createdAt, startsAt: NEVER, endsAt: NEVER, ends: 'expired', done: 0 };
  const stuck = ends === 'expired' && course.pendingMs === undefined;
  const startsAt = stuck ? NEVER : createdAt + (course.pendingMs ?? drawn.pendingMs);
  if (ends === 'expired') return { createdAt, startsAt, endsAt: expiresAt, ends, done };
  const endsAt = startsAt + (course.runningMs ?? drawn.runningMs);
  if (endsAt >= expiresAt) return { createdAt, startsAt, endsAt: expiresAt, ends: 'expired', done: 0 };
  return { createdAt, startsAt, endsAt, ends, done };
}

// Waiting takes a good part of the time: some of it passes before the first line is looked at.
function draw({ turnaroundMs, spread, random }: Odds): { pendingMs: number; runningMs: number } {
  const totalMs = Math.round(logNormal(random, turnaroundMs, spread));
  const pendingMs = Math.round((totalMs * between(random, 20, 60)) / 100);
  return { pendingMs, runningMs: totalMs - pendingMs };
}

export function stateAt({ startsAt, endsAt, ends }: Timeline, now: number): State {
  if (now >= endsAt) return STATES[ends];
  return now >= startsAt ? 'RUNNING' : 'PENDING';
}

export function isOver({ endsAt }: Timeline, now: number): boolean {
  return now >= endsAt;
}

/** How many of `lines` are answered. */
export function linesDone({ startsAt, endsAt, ends, done, cancelledAt }: Timeline, now: number, lines: number): number {
  // A share that was made of whole lines must give the same lines back.
  if (now >= endsAt) return Math.floor(lines * done + 1e-6);
  if (now < startsAt) return 0;
  if (cancelledAt !== undefined) return Math.floor(lines * done + 1e-6);
  const whole = ends === 'succeeded' ? 1 : done;
  return Math.floor(lines * whole * ((now - startsAt) / (endsAt - startsAt)));
}

/** Whether a batch that is over has any output. */
export function hasOutput({ timeline, lines }: { timeline: Timeline; lines: readonly unknown[] }): boolean {
  return timeline.ends !== 'failed' && linesDone(timeline, timeline.endsAt, lines.length) > 0;
}

/** Ends a batch that is not over, `afterMs` later; what was answered when it was cancelled stays answered. */
export function cancel(timeline: Timeline, now: number, lines: number, afterMs = 0): Timeline {
  if (isOver(timeline, now) || timeline.cancelledAt !== undefined) return timeline;
  const done = linesDone(timeline, now, lines) / Math.max(1, lines);
  return { ...timeline, endsAt: Math.min(timeline.endsAt, now + afterMs), ends: 'cancelled', done, cancelledAt: now };
}
