/** Which way a job went on from an ended call: counted for operators, and decided elsewhere. */

import {
  type AttemptEnd,
  type AttemptRef,
  callCountsAs,
  isAwaitingWake,
  type Job,
  modelOf,
  type Onward,
} from '@darkroom/shared/domain';
import type { AttemptDeps } from './deps.ts';

type Deps = Pick<AttemptDeps, 'metrics' | 'calls'>;
type Course = { ref: AttemptRef; end: AttemptEnd; before: Job; after: Job; onward?: Onward | undefined };

export function tellCourse(deps: Deps, course: Course): void {
  const { metrics, calls } = deps;
  const { ref, end, before, after, onward } = course;
  const attempt = after.state.attempts.find(({ id }) => id === ref.attempt);
  if (!attempt) return;
  tellPair(deps, course);
  if (modelOf(after) !== modelOf(before)) return metrics.movedOn(modelOf(before));
  if (!onward?.elsewhere || !isAwaitingWake(after.state)) return;
  const place = { channel: attempt.channel, model: attempt.model };
  const failed = callCountsAs(end) === 'failed';
  metrics.leftFor(place, failed ? 'failed' : 'limited');
  // A limit that was hit is no failure, and no alert.
  if (failed) calls.failedOver(place);
}

/** Of two calls side by side the one that is not the result was paid for all the same. What was in doubt was told then. */
function tellPair({ metrics }: Deps, { ref, end, before, after: { state } }: Course): void {
  if (before.state.attempts.some((one) => one.id === ref.attempt && one.state === 'in_doubt')) return;
  const at = state.attempts.findIndex(({ id }) => id === ref.attempt);
  const attempt = state.attempts[at];
  if (!attempt || !(attempt.hedge || state.attempts[at + 1]?.hedge)) return;
  const place = { channel: attempt.channel, model: attempt.model };
  // Of two images that are the same one is kept, and it is that of the call which brought it first.
  const other = state.attempts[attempt.hedge ? at - 1 : at + 1];
  const isFirst = other?.state !== 'settled' || other.error !== undefined;
  const won = end.type === 'image' && isFirst && state.images.some(({ key }) => key === end.image.key);
  if (attempt.hedge) metrics.hedged(place, won ? 'won' : 'lost');
  if (!won) metrics.hedgePaid(place, attempt.cost ?? 0);
}
