/**
 * Endpoints that misbehave in every way beside some that do not, and what comes of both.
 *
 * Names lead to an address that stands for the public internet; the connector writes down where it was sent, and dials
 * nothing but loopback.
 */

import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { cancel, type Delivery, type Endpoint } from '@darkroom/shared/domain';
import type { GuardOptions } from '@darkroom/shared/net';
import { buildConnector } from 'undici';
import { TENANT } from './ledger.ts';
import { openTestWebhooks, type TestWebhooks } from './webhook-lane.ts';
import { type Sink, startSink, verified } from './webhook-sink.ts';

/** The only address that may be dialled. */
const PUBLIC = '93.184.215.14';
const GOOD = 3;
const LISTENS: Partial<Endpoint> = { events: ['job.canceled'] };

export type StormPlan = { events: number; perSecond: number; timeoutMs: number };
export type StormFigures = {
  /** Of the endpoints that behave, from the event to its arrival. */
  calmP95Ms: number;
  stormP95Ms: number;
  delivered: number;
  /** By how endpoints misbehave: requests that they saw. */
  requests: Record<string, number>;
  forbidden: string[];
  /** What did not come as it should. */
  faults: string[];
};

type Registered = Endpoint & { secret: string };
/** What the deliveries to an endpoint must have come to. */
type Expected = (delivery: Delivery, endpoint: Endpoint) => boolean;

const failing =
  (words: RegExp): Expected =>
  ({ status, tries, log, nextAt }) =>
    // Those that wait for a receiver that is paused have not been tried.
    status === 'pending' && (tries === 0 || (words.test(JSON.stringify(log.at(-1))) && (nextAt ?? 0) > 0));

const MISBEHAVIOURS: Record<string, Expected> = {
  fails: failing(/"http":500/),
  hangs: failing(/no answer within/),
  redirects: failing(/"http":302,"error":"redirects are not followed"/),
  gone: ({ status, cause, tries }, { disabled }) =>
    disabled?.reason === 'gone' && ((status === 'dead' && cause === 'gone') || tries === 0),
  floods: ({ status, log }) => status === 'delivered' && log[0]?.http === 200,
  'hangs-up': failing(/broke off/),
  'breaks-tls': failing(/"error"/),
};

/** Sends events, first to well-behaved endpoints alone, then with the others beside them. */
export async function runStorm(plan: StormPlan, redisUrl?: string): Promise<StormFigures> {
  await using opened = new AsyncDisposableStack();
  const sink = opened.use(await startSink());
  misbehave(sink);
  const trap = opened.use(await startTrap());
  sink.answer('/redirects', (res) => res.writeHead(302, { location: `http://127.0.0.1:${trap.port}/` }).end());
  const dials: string[] = [];
  const guard = guardOf(dials);
  const test = opened.use(await openTestWebhooks({ ...(redisUrl && { redisUrl }), guard, timeoutMs: plan.timeoutMs }));
  const stop = new AbortController();
  const pumping = test.pump.run(stop.signal);
  opened.defer(async () => {
    stop.abort();
    await pumping;
    await test.pump.idle();
  });
  const at = (path: string, scheme = 'http') => `${scheme}://receiver.example:${sink.port}/${path}`;
  const good = await Promise.all(Array.from({ length: GOOD }, (_, n) => test.register(at(`good-${n}`), LISTENS)));
  const calmP95Ms = await send(test, sink, good, plan, 'calm');
  const bad = new Map<string, Registered>();
  for (const name of Object.keys(MISBEHAVIOURS))
    bad.set(name, await test.register(at(name, name === 'breaks-tls' ? 'https' : 'http'), LISTENS));
  const stormP95Ms = await send(test, sink, good, plan, 'storm');
  await settled(test, [...bad.values()], plan.timeoutMs);
  const forbidden = dials.filter((address) => address !== PUBLIC);
  if (trap.connections()) forbidden.push(`the redirect, ${trap.connections()} times`);
  const faults = [...(await faultsOf(test, bad)), ...unsigned(sink, good)];
  const requests = Object.fromEntries([...bad.keys()].map((name) => [name, sink.at(`/${name}`).length]));
  return { calmP95Ms, stormP95Ms, delivered: goodOnes(sink).length, requests, forbidden, faults };
}

function misbehave(sink: Sink): void {
  const megabyte = Buffer.alloc(1 << 20, 'x ');
  sink.answer('/fails', 500);
  sink.answer('/hangs', () => undefined);
  sink.answer('/gone', 410);
  sink.answer('/hangs-up', (res) => res.destroy());
  sink.answer('/floods', (res) => {
    for (let n = 0; n < 10; n++) res.write(megabyte);
    res.end();
  });
}

/** Names resolve to the one public address; a connection to it ends at the same port of loopback. */
function guardOf(dials: string[]): GuardOptions {
  const connect = buildConnector({ timeout: 3_000, allowH2: false });
  return {
    lookup: async () => [PUBLIC],
    allowAddress: () => false,
    connect: (options, callback) => {
      dials.push(options.hostname);
      if (options.hostname !== PUBLIC) callback(new Error('forbidden'), null);
      else connect({ ...options, hostname: '127.0.0.1' }, callback);
    },
  };
}

/** Listens where nobody may come. */
async function startTrap(): Promise<AsyncDisposable & { port: number; connections: () => number }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    connections: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** @returns the 95th percentile of the time from an event to its arrival at the endpoints that behave */
async function send(
  test: TestWebhooks,
  sink: Sink,
  good: Registered[],
  { events, perSecond }: StormPlan,
  phase: string,
): Promise<number> {
  const before = goodOnes(sink).length;
  const begun = performance.now();
  for (let n = 0; n < events; n++) {
    await sleep(Math.max(0, begun + (n * 1_000) / perSecond - performance.now()));
    const job = await test.admit(`job_${phase}_${n}`);
    await test.write(cancel(job, test.clock.now()));
  }
  const due = before + events * good.length;
  for (const end = performance.now() + 30_000; goodOnes(sink).length < due && performance.now() < end; )
    await sleep(20);
  const took = goodOnes(sink)
    .slice(before)
    .map(({ at, body }) => at - Date.parse((JSON.parse(body) as { timestamp: string }).timestamp))
    .toSorted((a, b) => a - b);
  return took[Math.floor(took.length * 0.95)] ?? Number.NaN;
}

function goodOnes({ received }: Sink) {
  return received.filter(({ path }) => path.startsWith('/good'));
}

/** Until each of the others was tried, and what hangs was given up. */
async function settled({ deps }: TestWebhooks, bad: Registered[], timeoutMs: number): Promise<void> {
  const tried = async ({ id }: Registered) =>
    (await deps.deliveries.list(TENANT, id, { limit: 10_000 })).some(({ log }) => log.length > 0);
  for (const end = performance.now() + timeoutMs + 20_000; performance.now() < end; await sleep(50))
    if ((await Promise.all(bad.map(tried))).every(Boolean)) return;
}

async function faultsOf({ deps }: TestWebhooks, bad: Map<string, Registered>): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, { id }] of bad) {
    const endpoint = await deps.endpoints.read(TENANT, id);
    const deliveries = await deps.deliveries.list(TENANT, id, { limit: 10_000 });
    if (!deliveries.length) faults.push(`${name}: there are no deliveries`);
    for (const one of deliveries)
      if (!endpoint || !MISBEHAVIOURS[name]?.(one, endpoint)) faults.push(`${name}: ${JSON.stringify(one)}`);
  }
  return faults;
}

/** Each event came to each of them once, signed by its secret. */
function unsigned(sink: Sink, good: Registered[]): string[] {
  return good.flatMap(({ url, secret }) => {
    const came = sink.at(new URL(url).pathname);
    const ids = new Set(came.map(({ headers }) => headers['webhook-id']));
    const twice = ids.size === came.length ? [] : [`${url}: ${came.length - ids.size} came twice`];
    try {
      for (const one of came) verified(secret, one);
      return twice;
    } catch (error) {
      return [...twice, `${url}: ${String(error)}`];
    }
  });
}
