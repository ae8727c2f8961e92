/** One tenant floods, another asks for one image at a time: what the flood costs the other, and itself. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '@darkroom/shared/schemas';
import type { Client } from './system/client.ts';
import { aBody, type System, startSystem } from './system.ts';

const TOGETHER = 32;
const FLOOD = 'flood';

export type FairPlan = {
  /** Jobs of the tenant that floods. */
  flood: number;
  /** Jobs of the other, one every `everyMs`. */
  single: number;
  everyMs: number;
  workers: number;
  /** Calls in flight of each worker. */
  slots: number;
  /** Of the provider, on the usual latency of a call. */
  latency: number;
  /** Calls a minute of the only channel; none = slots are what everybody waits for. */
  perMinute?: number;
};

export type Waits = {
  /** From submission until the call was sent. */
  callMs: number[];
  /** From submission until the image was there. */
  endMs: number[];
};

export type Fair = {
  alone: Waits;
  beside: Waits;
  /** Calls a second for everybody, before and while the other asks too. */
  rateBefore: number;
  rateBeside: number;
  /** What became of the flood's jobs. */
  flood: { accepted: number; waiting: number; running: number; succeeded: number; other: number };
};

/** Measures the other alone, then beside the flood, in a system of its own on `redisUrl`. */
export async function measureFairness(redisUrl: string, plan: FairPlan): Promise<Fair> {
  const { workers, slots, latency, perMinute } = plan;
  await using system = await startSystem({
    redisUrl,
    workers,
    workerEnv: { WORKER_CONCURRENCY: String(slots), ...(perMinute && { GEMINI_RPM: String(perMinute) }) },
    emulator: { settings: { render: 'fast', latency, ...(perMinute && { quotas: { rpm: perMinute } }) } },
  });
  const flooding = await system.clientOf(FLOOD);
  await askOneByOne(system.client, { ...plan, single: 3 }); // Everything is warm after this.
  const alone = await askOneByOne(system.client, plan);
  await floodWith(flooding, plan.flood);
  const before = await rateDuring(system, () => sleep(plan.single * plan.everyMs));
  const during = await rateDuring(system, () => askOneByOne(system.client, plan));
  return {
    alone,
    beside: during.result,
    rateBefore: before.perSecond,
    rateBeside: during.perSecond,
    flood: await standOf(system, flooding),
  };
}

/** One job after the other, whether or not the last one is over. */
async function askOneByOne(client: Client, { single, everyMs }: FairPlan): Promise<Waits> {
  const jobs: Promise<JobView>[] = [];
  for (let n = 0; n < single; n++) {
    jobs.push(client.submit(aBody()).then(({ body }) => client.end(body.id, 120_000)));
    await sleep(everyMs);
  }
  const ended = await Promise.all(jobs);
  return {
    callMs: ended.map(
      ({ created_at, attempts }) => Date.parse(attempts?.[0]?.started_at ?? '') - Date.parse(created_at),
    ),
    endMs: ended.map(({ created_at, completed_at }) => Date.parse(completed_at ?? '') - Date.parse(created_at)),
  };
}

async function floodWith(client: Client, count: number): Promise<void> {
  let left = count;
  const submitSome = async () => {
    while (left-- > 0) await client.submit(aBody());
  };
  await Promise.all(Array.from({ length: TOGETHER }, submitSome));
}

async function rateDuring<T>(system: System, work: () => Promise<T>): Promise<{ result: T; perSecond: number }> {
  const [calls, since] = [callsOf(system), performance.now()];
  const result = await work();
  return { result, perSecond: ((callsOf(system) - calls) * 1_000) / (performance.now() - since) };
}

const callsOf = ({ emulator }: System) => emulator.control.bill().calls;

/** By the records themselves: the views of ten thousand jobs are many pages. */
async function standOf({ redis, prefix }: System, { accepted }: Client): Promise<Fair['flood']> {
  const count = (status: string) => redis.zcard(`${prefix}{t:${FLOOD}}:jobs:${status}`);
  const [waiting, running, succeeded] = await Promise.all([count('queued'), count('running'), count('succeeded')]);
  return { accepted: accepted.size, waiting, running, succeeded, other: accepted.size - waiting - running - succeeded };
}
