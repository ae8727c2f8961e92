/** The loops of the batch lane. Each takes what is due, and any number of workers may run them. */

import { type ProviderBatch, type ProviderBatchState, troubled } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { loop } from '../sweeper/loop.ts';
import { collect } from './collector.ts';
import type { BatchDeps } from './deps.ts';
import { idsOf } from './ids-of.ts';
import { createOneAtATime } from './one-at-a-time.ts';
import { planOnce } from './planner.ts';
import { createPoller } from './poller.ts';
import { renewRescues } from './rescue-time.ts';
import { sealChunk } from './seal.ts';
import { submit } from './submitter.ts';
import { clearWorkspaces } from './workspace.ts';

const DUE_MAX = 1_000;

const TICK_MS = 1_000;
/** A deadline that was moved holds for chunks under way after this. */
const RENEW_MS = 2_000;
const CLEAR_MS = 3_600_000;
/** Chunks brought home side by side: a download that only drips may take an hour, and the others have deadlines. */
const COLLECTORS = 3;

/** Runs the lane until draining. A loop for each part: bringing one chunk home may take minutes, and keeps no other waiting. */
export function runBatchLane(deps: BatchDeps): Promise<void>[] {
  const poller = createPoller(deps);
  const often = Math.min(TICK_MS, deps.pollMs);
  const alone = createOneAtATime();
  const run = (name: string, everyMs: number, once: () => Promise<unknown>) =>
    loop(name, everyMs, once, deps.log, deps.draining);
  return [
    run('plan', often, () => planOnce(deps)),
    run('submit', often, () => submitOnce(deps)),
    run('poll', often, () => poller.once()),
    run('renew-rescues', RENEW_MS, () => renewRescues(deps)),
    ...Array.from({ length: COLLECTORS }, () => run('collect', often, () => collectOnce(deps, alone))),
    run('clear', CLEAR_MS, () => clearWorkspaces(deps.folder, deps.clock.now())),
  ];
}

type Step = (deps: BatchDeps, batch: ProviderBatch) => Promise<void>;
const SUBMITTING: Partial<Record<ProviderBatchState, Step>> = { sealing: sealChunk, sealed: submit };

/** Takes every due chunk on its way to the provider one step on. */
export function submitOnce(deps: BatchDeps): Promise<number> {
  return advance(deps, SUBMITTING);
}

/**
 * Brings home what is due and over at the provider, one chunk after the other.
 *
 * @param alone shared by all who do so in this process: results are read by one of them at a time
 */
export function collectOnce(deps: BatchDeps, alone = createOneAtATime()): Promise<number> {
  return advance(deps, { ended: (_, batch) => collect(deps, batch, alone) });
}

async function advance(deps: BatchDeps, steps: Partial<Record<ProviderBatchState, Step>>): Promise<number> {
  const { batches, clock, draining } = deps;
  let done = 0;
  for (const id of await batches.due(clock.now(), DUE_MAX)) {
    if (draining.aborted) break;
    const state = (await batches.read(id))?.state;
    const step = state && steps[state];
    await using held = step && (await batches.hold(id, deps.holdMs));
    if (!held) continue;
    // Read again: whoever held it before may have brought it further.
    const batch = await batches.read(id);
    if (batch?.state !== state || batch.dueAt > clock.now()) continue;
    await attempt(deps, batch, step);
    done++;
  }
  return done;
}

/** A chunk that something of ours is away for comes again later, and holds up no other. */
async function attempt(deps: BatchDeps, batch: ProviderBatch, step: Step): Promise<void> {
  try {
    await step(deps, batch);
  } catch (error) {
    deps.log.error({ ...idsOf(batch), state: batch.state, ...describeError(error) }, 'chunk.step_failed');
    const now = await deps.batches.read(batch.id);
    if (now && now.state !== 'closed') await deps.batches.write(troubled(now, deps.clock.now(), deps.random));
  }
}
