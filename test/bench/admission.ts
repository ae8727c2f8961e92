/** How fast jobs are accepted, and how soon an accepted one reaches the provider. */

import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { jobBody } from './parts/body.ts';
import type { Child } from './parts/child.ts';
import { DISTINCT, type Load, type Loaded, load } from './parts/load.ts';
import { alternate, median, untilQuiet } from './parts/sample.ts';
import { API_KEY, openStand, type Stand } from './parts/stand.ts';
import { toSocket } from './to-socket.ts';

const CONNECTIONS = 64;
/** The last batch is on its way when the last answer is out. */
const HAND_OVER_MS = 2_000;

type Sample = Loaded & { cpuUs: number };

export async function* admission(options: BenchOptions): AsyncGenerator<Figure> {
  if (['rate', 'p99', 'cpu', 'replay', 'joined'].some((name) => options.wants(`admission.${name}`))) {
    yield* rates(options);
  }
  if (options.wants('admission.to_socket')) yield* toSocket(options);
}

async function* rates({ quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  const { child, url } = await stand.startApi();
  const bare = stand.start('../baselines/express-add.ts', 'bare');
  const bareUrl = await bare.printed(/listening on (\S+)/);
  const seconds = quick ? 2 : 5;
  const jobs: Load = {
    url: `${url}/v1/jobs`,
    connections: CONNECTIONS,
    seconds,
    headers: headers(DISTINCT),
    body: jobBody(DISTINCT),
  };
  const adds: Load = { ...jobs, url: bareUrl, headers: { 'content-type': 'application/json' } };
  await sample(child, { ...jobs, seconds: 2 });
  await sample(bare, { ...adds, seconds: 2 });
  const { product, baseline } = await alternate(quick ? 3 : 5, {
    product: async () => {
      const taken = await sample(child, jobs);
      await handedOver(stand);
      return taken;
    },
    baseline: () => sample(bare, adds),
  });
  const both = (pick: (of: Sample) => number) => ({
    value: median(product.map(pick)),
    baseline: median(baseline.map(pick)),
  });
  yield figure(
    'admission.rate',
    'jobs/s',
    both(({ perSecond }) => perSecond),
    { of: 'ratio', is: '>=', than: 1 },
  );
  yield figure(
    'admission.p99',
    'ms',
    both(({ p99Ms }) => p99Ms),
  );
  yield figure(
    'admission.cpu',
    'us/job',
    both(({ cpuUs }) => cpuUs),
  );

  const rate = median(baseline.map(({ perSecond }) => perSecond));
  await untilQuiet();
  const replayed = await load({ ...jobs, headers: headers('replayed'), body: jobBody('replayed') });
  yield figure('admission.replay', 'jobs/s', { value: replayed.perSecond, baseline: rate });
  await untilQuiet();
  const joined = await load({ ...jobs, body: jobBody('joined') });
  yield figure('admission.joined', 'jobs/s', { value: joined.perSecond, baseline: rate });
}

function headers(idempotencyKey: string): Record<string, string> {
  return {
    'content-type': 'application/json',
    authorization: `Bearer ${API_KEY}`,
    'idempotency-key': idempotencyKey,
  };
}

async function sample(child: Child, options: Load): Promise<Sample> {
  const before = await child.read();
  const loaded = await load(options);
  const after = await child.read();
  return { ...loaded, cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / loaded.accepted };
}

/** Every accepted job has its message: what an outbox puts off would otherwise be paid for by nobody. */
async function handedOver(stand: Stand): Promise<void> {
  const end = performance.now() + HAND_OVER_MS;
  for (;;) {
    const [messages, jobs] = await Promise.all([waitingMessages(stand), stand.redis.zcard('{t:default}:wakes')]);
    if (messages === jobs) return;
    if (performance.now() > end)
      throw new Error(`${jobs} jobs were accepted, and ${messages} handed over to the workers`);
  }
}

/** With places of their own, or in the order they came. */
async function waitingMessages({ redis }: Stand): Promise<number> {
  const [[ordered] = [], [plain] = []] = await Promise.all(
    ['prioritized', 'wait'].map((kind) => redis.keys(`*standard-*:${kind}`)),
  );
  const counts = await Promise.all([ordered ? redis.zcard(ordered) : 0, plain ? redis.llen(plain) : 0]);
  return counts.reduce((sum, count) => sum + count, 0);
}
