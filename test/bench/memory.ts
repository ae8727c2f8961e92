/** What one job costs in Redis: while it is open, and once it has ended. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { jobBody } from './parts/body.ts';
import { DISTINCT, type Load, load } from './parts/load.ts';
import { API_KEY, openStand, type Stand } from './parts/stand.ts';

const WARM_UP = 50;

export async function* memory(options: BenchOptions): AsyncGenerator<Figure> {
  if (!options.wants('memory.open_job') && !options.wants('memory.finished_job')) return;
  await using stand = await openStand();
  const { url } = await stand.startApi();
  const bare = stand.start('../baselines/express-add.ts', 'bare');
  const bareUrl = await bare.printed(/listening on (\S+)/);
  const provider = stand.start('./provider.ts', 'provider', { IMAGE_BYTES: '3000', SIGNATURE_BYTES: '300' });
  const gemini = await provider.printed(/listening on (\S+)/);
  const headers = {
    'content-type': 'application/json',
    authorization: `Bearer ${API_KEY}`,
    'idempotency-key': DISTINCT,
  };
  // With a short window, so that a finished job is weighed as it rests for a day, not as in its first minute.
  const jobs = { url: `${url}/v1/jobs`, headers, body: jobBody(DISTINCT, { dedup: { window: '1s' } }) };
  const adds = { url: bareUrl, headers: { 'content-type': 'application/json' }, body: jobBody(DISTINCT) };
  const amount = options.quick ? 2_000 : 3_000;

  await submit(jobs, WARM_UP);
  await submit(adds, WARM_UP);
  const empty = await usedMemory(stand);
  await submit(adds, amount);
  const bareOpen = await usedMemory(stand);
  await submit(jobs, amount);
  const open = await usedMemory(stand);
  yield figure(
    'memory.open_job',
    'B',
    { value: (open - bareOpen) / amount, baseline: (bareOpen - empty) / amount },
    { of: 'value', is: '<=', than: 4_096 },
  );

  const worker = await stand.startWorker({ gemini, concurrency: 20 });
  await until(async () => (await stand.redis.zcard('{t:default}:jobs:succeeded')) === amount + WARM_UP);
  await worker[Symbol.asyncDispose]();
  await until(async () => (await stand.redis.keys('{t:default}:fp:*')).length === 0);
  const finished = await usedMemory(stand);
  const bareWorker = stand.start('../baselines/bull-worker.ts', 'bare-worker', { PROVIDER_URL: gemini });
  await until(async () => (await stand.redis.zcard('{bare}:bare:completed')) === amount + WARM_UP);
  await bareWorker[Symbol.asyncDispose]();
  const bareFinished = await usedMemory(stand);
  yield figure(
    'memory.finished_job',
    'B',
    {
      value: (finished - bareOpen) / amount,
      baseline: (bareFinished - finished + bareOpen - empty) / amount,
    },
    { of: 'value', is: '<=', than: 2_048 },
  );
}

async function submit(target: Pick<Load, 'url' | 'headers' | 'body'>, amount: number): Promise<void> {
  await load({ ...target, connections: 10, amount });
}

/** Once it stands still: buffers of connections come and go, and the hand-over follows an answer by some milliseconds. */
async function usedMemory({ redis }: Stand): Promise<number> {
  await sleep(1_000);
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 300_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('the jobs did not end within five minutes');
    await sleep(50);
  }
}
