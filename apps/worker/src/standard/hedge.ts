/** A second call beside a slow one, through another channel. The first image is the result; both are paid and on record. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Candidate, hedge, type Job } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { Exchange } from '@darkroom/shared/ports';
import { candidatesFor, moneyLeft, updateJob } from '@darkroom/shared/usecases';
import { makeCall, makeReady, type Ready } from './call.ts';
import type { AttemptDeps } from './deps.ts';
import { referenceBytes } from './references.ts';

/** Waits until the first call is slower than 95 % of those lately, then makes another. Never throws. */
export async function hedgeWhenSlow(deps: AttemptDeps, job: Job, first: Ready, call: Promise<Exchange>): Promise<void> {
  if (!job.request.routing?.hedge || deps.channels.specs.length < 2) return;
  try {
    if (await isSlow(deps, first.candidate, call)) await callBeside(deps, job, first);
  } catch (error) {
    deps.log.warn({ ...first.entry.ref, ...describeError(error) }, 'hedge.failed');
  }
}

async function isSlow(deps: AttemptDeps, { place }: Candidate, call: Promise<Exchange>): Promise<boolean> {
  const p95Ms = await deps.breakers.p95Ms(place);
  if (p95Ms === undefined) return false;
  const over = new AbortController();
  const ended = call.then(
    () => over.abort(),
    () => over.abort(),
  );
  const signal = AbortSignal.any([over.signal, deps.draining]);
  const slow = await sleep(p95Ms, true, { signal }).catch(() => false);
  if (!slow) await ended;
  return slow;
}

async function callBeside(deps: AttemptDeps, job: Job, first: Ready): Promise<void> {
  const order = await others(deps, job, first.candidate);
  if (!order) return;
  // Only what is free right now: nobody's first call waits for a second one.
  using slot = await deps.slots.take(referenceBytes(job.request), { ms: 0, signal: deps.draining });
  if (!slot) return;
  const ready = await makeReady(deps, job, order);
  if (ready.type !== 'ready') return;
  const { entry, candidate } = ready;
  const second = { id: entry.ref.attempt, channel: candidate.place.channel, estimate: candidate.cost };
  await makeCall(deps, job, ready, {
    name: 'hedge',
    lease: async () => {
      const { tenant, job: id, attempt } = first.entry.ref;
      const updated = await updateJob(deps.ledger, tenant, id, (now) => hedge(now, attempt, second, deps.clock.now()));
      if (!updated?.changed) return undefined;
      deps.metrics.hedged(candidate.place, 'made');
      return updated.job;
    },
    answered: () => slot.freeMemory(),
  });
}

/** Other channels that can be called now, the cheapest first; `undefined` when there is none that may be paid. */
async function others(
  deps: AttemptDeps,
  job: Job,
  running: Candidate,
): Promise<[Candidate, ...Candidate[]] | undefined> {
  const left = (moneyLeft(job) ?? Number.POSITIVE_INFINITY) - running.cost;
  const { candidates } = await candidatesFor(deps, job);
  // Behind the look at them: what is free from that very moment on is free now.
  const now = deps.clock.now();
  const [first, ...rest] = candidates
    .filter(({ place }) => place.channel !== running.place.channel)
    .filter(({ enterAt, override, readyAt }) => enterAt <= now && readyAt <= now && !override)
    .filter(({ out, cost }) => !out && cost <= left)
    .toSorted((a, b) => a.cost - b.cost);
  return first && [first, ...rest];
}
