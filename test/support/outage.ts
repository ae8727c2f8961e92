/**
 * An outage of the first of two channels: for a while it refuses some calls, then all, then it is well. Jobs come in at a
 * steady pace all the time.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry } from '@darkroom/emulator';
import type { JobView } from '@darkroom/shared/schemas';
import { aBody, type Figures, type System, startSystem } from './system.ts';

export type OutagePlan = {
  /** Jobs made before anything is measured: first calls open connections and compile code. */
  warmUp: number;
  /** How long it is well before, refuses some calls, refuses all, and is well again. */
  wellMs: number;
  someMs: number;
  allMs: number;
  afterMs: number;
  /** Of all calls, while it refuses some. */
  share: number;
  jobsPerSecond: number;
  coolDownMs: number;
  workers: number;
  /** Factor on the models' own times. */
  latency: number;
};

/**
 * Five minutes in which some calls fail, and one in which all do. Calls and cool-downs are shorter than a model's own. No
 * more jobs than have all their events in Redis, where the promises are checked.
 */
export const OUTAGE_FULL: OutagePlan = {
  warmUp: 80,
  wellMs: 30_000,
  someMs: 300_000,
  allMs: 60_000,
  afterMs: 60_000,
  share: 0.45,
  jobsPerSecond: 2.5,
  coolDownMs: 5_000,
  workers: 4,
  latency: 0.04,
};

export const OUTAGE_SHORT: OutagePlan = {
  warmUp: 30,
  wellMs: 2_000,
  someMs: 5_000,
  allMs: 4_000,
  afterMs: 4_000,
  share: 0.45,
  jobsPerSecond: 8,
  coolDownMs: 500,
  workers: 2,
  latency: 0.02,
};

export type OutageFigures = Figures & {
  /** Calls that the first channel refused. */
  refused: number;
  opened: number;
  recovered: number;
  /** Calls made while the breaker was half open, and the most of them that were in flight at once. */
  probes: number;
  probesAtOnce: number;
  /** Medians from submission to image: before the outage, and in its parts. */
  wellMs: number;
  someMs: number;
  allMs: number;
  /** Jobs that the first channel made after it was well again. */
  madeAfter: number;
};

const FIRST = 'first';

type Told = { type: string; data: { until?: string | number } };

/** Runs the plan. @throws with each broken promise, or when a job does not succeed */
export async function runOutage(plan: OutagePlan, redisUrl: string): Promise<OutageFigures> {
  await using system = await startSystem({
    redisUrl,
    workers: plan.workers,
    channels: { channels: [{ id: FIRST }, { id: 'second', order: 2 }] },
    workerEnv: { BREAKER_COOL_DOWN_MS: String(plan.coolDownMs), WORKER_CONCURRENCY: '5' },
    emulator: { settings: { latency: plan.latency, longest_side: 64 } },
  });
  const { client, emulator } = system;
  await warmUp(system, plan);
  const began = Date.now();
  const fault = { kind: 'overloaded' } as const;
  emulator.control.startOutage({
    name: 'outage',
    clock: 'outside',
    afterMs: plan.wellMs,
    match: { project: FIRST },
    phases: [
      { ms: plan.someMs, share: plan.share, fault },
      { ms: plan.allMs, share: 1, fault },
    ],
  });
  const jobs = await submitSteadily(system, plan);
  const ended = await Promise.all(jobs.map(({ id }) => client.end(id, 120_000)));
  const failed = ended.filter(({ status }) => status !== 'succeeded');
  if (failed.length > 0) throw new Error(`${failed.length} jobs did not succeed: ${JSON.stringify(failed[0])}`);
  const figures = await system.assertInvariants({ timeoutMs: 30_000 });

  const { body } = await client.call<{ data: Told[] }>('GET', '/v1/events?type=channel.*&order=asc&limit=200');
  const opened = body.data.filter(({ type }) => type === 'channel.opened');
  const calls = emulator.control.journal().entries.filter(({ project }) => project === FIRST);
  const probes = probesOf(
    calls,
    opened.map(({ data }) => new Date(data.until ?? 0).getTime()),
  );
  const phases = [plan.wellMs, plan.someMs, plan.allMs];
  const [wellMs = 0, someMs = 0, allMs = 0] = phases.map((ms, n) => {
    const from = began + phases.slice(0, n).reduce((sum, one) => sum + one, 0);
    return medianMs(ended.filter(({ created_at }) => isWithin(Date.parse(created_at), from, ms)));
  });
  const wellAgainAt = began + plan.wellMs + plan.someMs + plan.allMs;
  return {
    ...figures,
    refused: calls.filter(({ outcome }) => outcome === 'rejected').length,
    opened: opened.length,
    recovered: body.data.filter(({ type }) => type === 'channel.recovered').length,
    probes: probes.length,
    probesAtOnce: atOnce(probes),
    wellMs,
    someMs,
    allMs,
    madeAfter: calls.filter(({ at, billed }) => billed && at > wellAgainAt).length,
  };
}

/** Medians in words, each with what the outage added to it. */
export function addedLatency({ wellMs, someMs, allMs }: OutageFigures, { share }: OutagePlan): [string, string][] {
  const added = (ms: number) => `${ms} ms (${ms < wellMs ? '' : '+'}${ms - wellMs})`;
  return [
    ['median from submission to image, all well', `${wellMs} ms`],
    [`while ${100 * share} % of calls were refused`, added(someMs)],
    ['while all of them were', added(allMs)],
  ];
}

/** As many at once as the workers have places, so that each place of each worker is used. */
async function warmUp({ client }: System, plan: OutagePlan): Promise<void> {
  const jobs = await Promise.all(Array.from({ length: plan.warmUp }, () => client.submit(aBody())));
  await Promise.all(jobs.map(({ body }) => client.end(body.id, 60_000)));
}

async function submitSteadily({ client }: System, plan: OutagePlan): Promise<JobView[]> {
  const { wellMs, someMs, allMs, afterMs, jobsPerSecond } = plan;
  const jobs: Promise<JobView>[] = [];
  const count = Math.floor(((wellMs + someMs + allMs + afterMs) * jobsPerSecond) / 1_000);
  const began = performance.now();
  for (let n = 0; n < count; n++) {
    await sleep(Math.max(0, began + (n * 1_000) / jobsPerSecond - performance.now()));
    jobs.push(client.submit(aBody()).then(({ body }) => body));
  }
  return Promise.all(jobs);
}

/** Good probes in a row that close a breaker. */
const GOOD_PROBES = 2;

/** Calls from the instants on at which an opened breaker could first be probed, until it was closed by good ones. */
function probesOf(calls: readonly JournalEntry[], opened: readonly number[]): JournalEntry[] {
  const found: JournalEntry[] = [];
  for (const [n, from] of opened.entries()) {
    let goods = 0;
    const until = opened[n + 1] ?? Number.POSITIVE_INFINITY;
    for (const call of calls.filter(({ at }) => at >= from && at < until)) {
      if (goods === GOOD_PROBES) break;
      goods = call.billed ? goods + 1 : 0;
      found.push(call);
    }
  }
  return found;
}

/** The most calls that were out at the same time. */
function atOnce(calls: readonly JournalEntry[]): number {
  const out = (at: number) => calls.filter((one) => one.at <= at && at < one.at + (one.ms ?? 0)).length;
  return Math.max(0, ...calls.map(({ at }) => out(at)));
}

function isWithin(at: number, from: number, ms: number): boolean {
  return at >= from && at < from + ms;
}

function medianMs(jobs: readonly JobView[]): number {
  const times = jobs.map(({ created_at, completed_at }) => Date.parse(completed_at ?? '') - Date.parse(created_at));
  return times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}
