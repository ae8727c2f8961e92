import type { Job } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { LineTurn } from '@darkroom/shared/ports';
import { makeCall, type Ready } from './call.ts';
import type { AttemptDeps } from './deps.ts';
import { hedgeWhenSlow } from './hedge.ts';
import { takeLease } from './lease.ts';
import type { Slot } from './slots.ts';

type Calling = { ready: Ready; slot: Slot; turn: LineTurn };

/** Makes the job's call, with one beside it when it is slow, and brings both to their end. */
export async function serve(deps: AttemptDeps, job: Job, { ready, slot, turn }: Calling): Promise<void> {
  const { lines, log } = deps;
  const { candidate, entry } = ready;
  // What the lines are not told of, they find out in time.
  const tell = (telling: Promise<void>) =>
    telling.catch((error: unknown) => log.warn({ ...entry.ref, ...describeError(error) }, 'line.not_told'));
  let started: Promise<void> | undefined;
  await makeCall(deps, job, ready, {
    name: 'attempt',
    lease: () => takeLease(deps, entry.ref, job, candidate),
    leased: () => {
      started = tell(lines.started(turn, entry.ref.attempt));
    },
    answered: () => slot.freeMemory(),
    beside: (call) => hedgeWhenSlow(deps, job, ready, call),
  });
  await started;
  await tell(started ? lines.ended({ ...turn, turn: entry.ref.attempt }) : lines.drop(turn));
}
