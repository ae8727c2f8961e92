/** From the admission of a job, and from the sending of its POST, to the first byte of the paid call, with nothing else to do. */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'undici';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { imageAnswer } from './parts/answer.ts';
import { jobBody } from './parts/body.ts';
import { percentile, untilQuiet } from './parts/sample.ts';
import { API_KEY, openStand } from './parts/stand.ts';

/** Between two samples: the attempt before has stored its image, thumbnail and record, and everything is idle. */
const PAUSE_MS = 60;
const TINY_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export async function* toSocket({ quick }: BenchOptions): AsyncGenerator<Figure> {
  await using stand = await openStand();
  await using provider = await startRawProvider();
  const { url } = await stand.startApi();
  await stand.startWorker({ gemini: provider.url, concurrency: 20 });
  const bare = stand.start('../baselines/express-add.ts', 'bare');
  const bareUrl = await bare.printed(/listening on (\S+)/);
  const bareWorker = stand.start('../baselines/bull-worker.ts', 'bare-worker', { PROVIDER_URL: provider.url });
  await bareWorker.printed(/ready/);

  const product = poster(url, '/v1/jobs', { authorization: `Bearer ${API_KEY}` });
  const baseline = poster(bareUrl, '/', {});
  const times = { ours: [] as Taken[], bare: [] as Taken[] };
  const warmUp = 20;
  await untilQuiet();
  for (let n = 0; n < warmUp + (quick ? 60 : 300); n++) {
    const ours = await timed(provider, () => product(`sample ${n}`));
    const theirs = await timed(provider, () => baseline(`sample ${n}`));
    if (n < warmUp) continue;
    times.ours.push(ours);
    times.bare.push(theirs);
  }
  const both = (from: keyof Taken, share: number) => {
    const of = (taken: Taken[]) =>
      percentile(
        taken.map((one) => one[from]),
        share,
      );
    return { value: of(times.ours), baseline: of(times.bare) };
  };
  yield figure('admission.to_socket', 'ms', both('admissionMs', 0.5), { of: 'value', is: '<', than: 5 });
  yield figure('admission.to_socket_p99', 'ms', both('admissionMs', 0.99));
  yield figure('admission.to_socket_from_post', 'ms', both('postMs', 0.5));
  yield figure('admission.to_socket_from_post_p99', 'ms', both('postMs', 0.99));
}

/** Until the provider's socket: since the 202 was here, which is when the job is durable, and since its POST was sent. */
type Taken = { admissionMs: number; postMs: number };

type RawProvider = AsyncDisposable & { url: string; nextCall(): Promise<number> };

/** Notes when a request's first bytes are there, before anything parses them. */
async function startRawProvider(): Promise<RawProvider> {
  const body = imageAnswer(TINY_PNG, TINY_PNG);
  const answer = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
  const calls: ((at: number) => void)[] = [];
  const server = createServer((socket) => {
    socket.setNoDelay();
    socket.on('error', () => undefined);
    socket.once('data', () => {
      calls.shift()?.(performance.now());
      socket.end(answer);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nextCall: () => new Promise((resolve) => calls.push(resolve)),
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

function poster(origin: string, path: string, headers: Record<string, string>): (distinct: string) => Promise<void> {
  const client = new Client(origin);
  return async (distinct) => {
    const { statusCode, body } = await client.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': distinct.replace(' ', '-'), ...headers },
      body: jobBody(distinct),
    });
    await body.dump();
    if (statusCode !== 202) throw new Error(`${origin}${path} answered ${statusCode}`);
  };
}

async function timed(provider: RawProvider, post: () => Promise<void>): Promise<Taken> {
  const call = provider.nextCall();
  const sentAt = performance.now();
  const answered = post().then(() => performance.now());
  const at = await call;
  await sleep(PAUSE_MS);
  return { admissionMs: at - (await answered), postMs: at - sentAt };
}
