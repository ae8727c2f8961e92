/**
 * What callers and operators confide is in no log, figure, trace or error: both programs at their most talkative, through
 * every way in which a job, a batch or a request can end, and then all they ever said is searched.
 */

import { randomBytes } from 'node:crypto';
import type { Fault, FaultRule } from '@darkroom/emulator';
import type { BatchView } from '@darkroom/shared/schemas';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Collector, startCollector } from '../support/collector.ts';
import { testRedisUrl } from '../support/redis.ts';
import { type Client, createClient } from '../support/system/client.ts';
import { createProgram, type Env } from '../support/system/program.ts';
import { PROVIDER_KEY, type System, startSystem } from '../support/system.ts';
import { startSink } from '../support/webhook-sink.ts';

/** A word that stands nowhere by chance. */
const canary = (what: string) => `canary-${what}-${randomBytes(8).toString('hex')}`;
const MODEL = 'gemini-3.1-flash-image';

const SECRETS = {
  apiKey: `dk_test_${canary('key')}`,
  redisPassword: canary('redis'),
  webhookSecret: `whsec_${Buffer.from(canary('provider-webhook')).toString('base64')}`,
  providerKey: PROVIDER_KEY,
  collectorKey: canary('collector'),
};
/** Everything that must not be told, by what it is. Grows as the programs give out more of it. */
const confided = new Map<string, string>(Object.entries(SECRETS));
/** Bodies of error answers, and scrapes. */
const told: string[] = [];
const faults: FaultRule[] = [];

let system: System;
let admin: Redis;
let collector: Collector;
let client: Client;
let user: string;

/** A new canary, noted. */
function confide(what: string): string {
  const word = canary(what);
  confided.set(`${what} ${confided.size}`, word);
  return word;
}

beforeAll(async () => {
  user = randomBytes(5).toString('hex');
  admin = new Redis(testRedisUrl());
  await admin.call('ACL', 'SETUSER', user, 'on', `>${SECRETS.redisPassword}`, '~*', '&*', '+@all');
  const redisUrl = new URL(testRedisUrl());
  redisUrl.username = user;
  redisUrl.password = SECRETS.redisPassword;
  collector = await startCollector();
  const traces = collector.env(SECRETS.collectorKey);
  system = await startSystem({
    redisUrl: redisUrl.href,
    emulator: { settings: { longest_side: 128, batches: { turnaround_ms: 100, spread: 0 } } },
    apiEnv: {
      DARKROOM_API_KEY: SECRETS.apiKey,
      GEMINI_WEBHOOK_SECRET: SECRETS.webhookSecret,
      DOWNLOAD_HTTP: 'true',
      WEBHOOK_HTTP: 'true',
      LOG_LEVEL: 'trace',
      ...traces,
    },
    workerEnv: { BATCH_GATHER: '0.3', BATCH_POLL: '0.2', WEBHOOK_HTTP: 'true', LOG_LEVEL: 'trace', ...traces },
  });
  confided.set('secret', system.secret);
  const { url } = await system.api.line(({ event }) => event === 'api.listening');
  client = createClient({ url: () => String(url), apiKey: SECRETS.apiKey });
});
afterAll(async () => {
  await system?.[Symbol.asyncDispose]();
  await admin.call('ACL', 'DELUSER', user);
  admin.disconnect();
  await collector?.[Symbol.asyncDispose]();
});

/** One request; what it answers is kept when it is an error. */
async function call<T>(method: string, path: string, options: Parameters<Client['call']>[2] = {}) {
  const answer = await client.call<T>(method, path, options);
  if (answer.status >= 400) told.push(`${method} ${path.split('?')[0]}: ${JSON.stringify(answer.body)}`);
  return answer;
}

/** Submits a job that confides in every field it has, and meets `fault` at the provider. */
async function submit({ fault, ...more }: { fault?: Fault; [field: string]: unknown } = {}): Promise<string> {
  const prompt = `a mug ${confide('prompt')}`;
  if (fault) faults.push({ match: { promptIncludes: prompt }, fault });
  system.emulator.control.putFaults(faults);
  const body = { prompt, model: MODEL, size: '512', metadata: { note: confide('metadata') }, tags: [confide('tag')] };
  const headers = { 'idempotency-key': confide('idempotency') };
  const answer = await call<{ id: string }>('POST', '/v1/jobs', { body: { ...body, ...more }, headers });
  expect(answer.status).toBe(202);
  return answer.body.id;
}

describe('jobs', () => {
  it('that succeed', async () => {
    const id = await submit();
    const twin = await submit({ dedup: false });

    const job = await client.end(id);

    expect([job.status, (await client.end(twin)).status]).toEqual(['succeeded', 'succeeded']);
    const link = job.images[0]?.url ?? '';
    confided.set('signature', new URL(link).searchParams.get('signature') ?? '');
    expect((await client.download(link)).bytes.length).toBeGreaterThan(0);
    const references = [{ image: job.images[0]?.id, name: confide('reference'), role: 'object' }];
    expect((await client.end(await submit({ references }))).status).toBe('succeeded');
  });

  const message = `It shows ${confide('words-of-the-model')}.`;
  it.each<[string, Fault, string]>([
    ['that are refused', { kind: 'blocked', finishReason: 'IMAGE_SAFETY', message }, 'blocked'],
    ['that make no image', { kind: 'blocked', finishReason: 'IMAGE_OTHER', message }, 'failed'],
    ['that are wrong for the provider', { kind: 'invalid_argument' }, 'failed'],
    ['whose answers are lost', { kind: 'cut_body' }, 'failed'],
    ['whose answers cannot be read', { kind: 'malformed_json' }, 'failed'],
  ])('%s', async (_, fault, status) => {
    const job = await client.end(await submit({ fault }));

    expect(job.status).toBe(status);
  });

  it('that are held, and canceled', async () => {
    const id = await submit({ fault: { kind: 'reset_after_billing' }, on_unknown_outcome: 'hold' });
    await client.until(id, ({ phase }) => phase === 'held');

    expect((await client.cancel(id)).body.status).toBe('canceled');
    expect((await call('POST', `/v1/jobs/${id}/cancel`)).status).toBeLessThan(500);
  });
});

it('a batch whose rows fail in their own ways, and one that is refused', async () => {
  const name = 'canary-template';
  const secretWords = confide('template');
  const template = { name, prompt: `{{what}} on a table, ${secretWords}`, variables: { what: { type: 'text' } } };
  expect((await call('POST', '/v1/templates', { body: template })).status).toBe(201);
  const rows = ['good', 'refused', 'wrong', 'missing', 'unreadable'].map((key) => ({ key, what: confide(key) }));
  const faultOf: Record<string, Fault> = {
    refused: { kind: 'blocked', finishReason: 'SAFETY', message: confide('words-about-a-row') },
    wrong: { kind: 'line_error', code: 3, message: confide('error-of-a-row') },
    missing: { kind: 'line_missing' },
    unreadable: { kind: 'line_keyless' },
  };
  for (const { key, what } of rows) {
    const fault = faultOf[key];
    if (fault) faults.push({ match: { route: 'batch_line', promptIncludes: what }, fault });
  }
  system.emulator.control.putFaults(faults);
  const csv = ['key,what', ...rows.map(({ key, what }) => `${key},${what}`), `good,${confide('bad-row')}`].join('\n');
  const send = (query: string) =>
    call<BatchView>('POST', `/v1/batches?template=${name}&lane=batch&model=${MODEL}&size=512${query}`, {
      raw: csv,
      headers: { 'content-type': 'text/csv', 'idempotency-key': confide('batch-key') },
    });

  const refused = await send('');
  const accepted = await send('&on_invalid=skip');

  expect([refused.status, accepted.status]).toEqual([422, 202]);
  const over = () => client.call<BatchView>('GET', `/v1/batches/${accepted.body.id}?wait=5`);
  await expect.poll(async () => (await over()).body.status, { timeout: 25_000 }).toBe('completed');
  expect((await over()).body.counts).toMatchObject({ total: 5, blocked: 1 });
});

it('webhooks that arrive, and that a receiver or the rules refuse', async () => {
  await using sink = await startSink();
  type Made = { id: string; secret: string };
  const endpointAt = async (path: string, answers: number) => {
    const asked = `${path}?token=${confide('webhook-token')}`;
    sink.answer(asked, (res) => res.writeHead(answers).end(confide('answer-of-a-receiver')));
    const headers = { authorization: `Bearer ${confide('webhook-header')}`, 'x-shop': confide('webhook-shop') };
    const description = confide('webhook-description');
    const body = { url: sink.url(asked), headers, description, events: ['job.queued'] };
    const made = await call<Made>('POST', '/v1/webhook-endpoints', { body });
    expect(made.status).toBe(201);
    return made.body;
  };
  const [good, bad] = [await endpointAt('/hook', 200), await endpointAt(`/${confide('webhook-path')}`, 500)];
  const rotated = await call<Made>('POST', `/v1/webhook-endpoints/${good.id}/rotate-secret`);
  const own = await call<Made>('GET', '/v1/webhook-secret');
  for (const { secret } of [good, bad, rotated.body, own.body])
    confided.set(`secret ${confided.size}`, secret.slice(6));
  const ownUrl = `${sink.url('/own')}?token=${confide('own-token')}`;
  for (const url of [`http://10.0.0.1/?token=${confide('refused-token')}`, `ftp://x/${confide('refused-path')}`]) {
    expect((await call('POST', '/v1/webhook-endpoints', { body: { url } })).status).toBe(400);
    expect((await call('POST', '/v1/jobs', { body: { prompt: 'x', webhook: { url } } })).status).toBe(400);
  }

  await client.end(await submit({ webhook: { url: ownUrl } }));

  await expect
    .poll(() => new Set(sink.received.map((one) => one.path.split('?')[0])).size, { timeout: 10_000 })
    .toBe(3);
  const [arrived] = sink.received.filter((one) => one.path.startsWith('/hook'));
  confided.set('a signature', String(arrived?.headers['webhook-signature']).split(',')[1]?.slice(0, 40) ?? '');
  const deliveries = `/v1/webhook-endpoints/${bad.id}/deliveries`;
  const tries = async () =>
    (await call<{ data: { tries: unknown[] }[] }>('GET', deliveries)).body.data.map((one) => one.tries.length);
  await expect.poll(tries, { timeout: 10_000 }).toEqual([1]);
  expect((await call<{ data: unknown[] }>('GET', `${deliveries}?status=pending`)).body.data).toHaveLength(1);
});

it('requests that are refused', async () => {
  const prompt = confide('refused-prompt');
  const url = `http://user:${confide('url-password')}@127.0.0.1:9/mug.jpg?token=${confide('url-token')}`;
  const key = { 'idempotency-key': confide('key-used-twice') };
  const json = { 'content-type': 'application/json' };
  const wrongKey = confide('wrong-key');
  const requests: [string, string, Parameters<Client['call']>[2]][] = [
    ['POST', '/v1/jobs', { body: { prompt, seed: 'x', size: prompt, model: prompt } }],
    ['POST', '/v1/jobs', { body: { prompt: [prompt] } }],
    ['POST', '/v1/jobs', { body: { prompt: prompt.repeat(4_000) } }],
    ['POST', '/v1/jobs', { raw: `{"prompt":"${prompt}`, headers: json }],
    ['POST', '/v1/jobs', { raw: `{"prompt":"${prompt}"} ${prompt}`, headers: json }],
    ['POST', '/v1/jobs', { body: { prompt, references: [{ url }] } }],
    ['POST', '/v1/jobs', { body: { prompt, references: [{ data: `data:image/png;base64,${btoa(prompt)}` }] } }],
    ['POST', '/v1/jobs', { body: { prompt, references: [{ gcs_uri: `gs://a-bucket/${prompt}` }] } }],
    ['POST', '/v1/jobs', { body: { prompt, template: 'product-hero', variables: { color: prompt } } }],
    ['POST', '/v1/jobs', { body: { prompt, webhook: { url: url.replace('http:', 'ftp:') } } }],
    ['POST', '/v1/assets', { body: { url } }],
    ['POST', '/v1/quotes', { body: { prompt, size: '9K' } }],
    ['POST', '/v1/batches', { body: { items: [{ prompt }, { key: 'a', prompt, seed: 'x' }] } }],
    ['POST', '/v1/templates', { body: { name: 'x', prompt: `{{${prompt}}}`, variables: {} } }],
    ['GET', `/v1/jobs?tag=${prompt}&after=${prompt}`, {}],
    ['GET', '/v1/jobs', { headers: { authorization: `Bearer ${wrongKey}` } }],
    ['POST', '/v1/provider-webhooks/gemini', { body: { prompt }, headers: { 'webhook-signature': `v1,${wrongKey}` } }],
  ];
  await client.submit({ prompt, model: MODEL, size: '512' }, { key: key['idempotency-key'] });
  requests.push(['POST', '/v1/jobs', { body: { prompt: `${prompt}!` }, headers: key }]);

  for (const [method, path, options] of requests) {
    const { status } = await call(method, path, options);
    expect(status, `${method} ${path} ${JSON.stringify(options).slice(0, 200)}`).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
});

it('keys that are made and revoked', async () => {
  const { status, body } = await call<{ id: string; key: string }>('POST', '/v1/keys', { body: { tenant: 'acme' } });
  confided.set('made key', body.key);

  expect(status).toBe(201);
  expect((await call('DELETE', `/v1/keys/${body.id}`)).status).toBeLessThan(300);
});

it('a job whose call is refused with its key', async () => {
  // Last of those that go to the provider: its channel is closed then.
  expect((await client.end(await submit({ fault: { kind: 'key_invalid' } }))).status).toBe('failed');
});

describe('programs that cannot start', () => {
  const common = () => ({ DARKROOM_DATA: system.dataDir, REDIS_URL: testRedisUrl(), DARKROOM_SECRET: system.secret });
  const short = canary('s').slice(0, 12);
  const elsewhere = (password: string) => `redis://nobody:${password}@${new URL(testRedisUrl()).host}`;

  it.each<[string, 'api' | 'worker', () => Env]>([
    ['a short secret', 'api', () => ({ DARKROOM_SECRET: short })],
    ['a short key', 'api', () => ({ DARKROOM_API_KEY: short })],
    ['a webhook secret that is none', 'api', () => ({ GEMINI_WEBHOOK_SECRET: confide('no-webhook-secret') })],
    ['a url that is not of a Redis', 'worker', () => ({ REDIS_URL: `http://u:${confide('of-no-redis')}@127.0.0.1:1` })],
    ['a password that Redis refuses, for the API', 'api', () => ({ REDIS_URL: elsewhere(confide('wrong-password')) })],
    ['a password that Redis refuses', 'worker', () => ({ REDIS_URL: elsewhere(confide('wrong-password')) })],
  ])('for %s', async (_, name, env) => {
    confided.set('a short secret', short);
    const main = new URL(`../../apps/${name}/src/main.ts`, import.meta.url);
    await using program = createProgram({
      name,
      main,
      env: { ...common(), GEMINI_API_KEY: PROVIDER_KEY, PORT: '0', ...env() },
      ready: `${name}.listening`,
    });

    await expect(program.start()).rejects.toThrow('before it listened');

    expect(program.output()).not.toBe('');
    told.push(program.output());
  });
});

it('what was confided is in no line, no figure, no trace and no error', async () => {
  const listening = await system.workers[0]?.line(({ event }) => event === 'worker.listening');
  told.push(await (await fetch(String(listening?.['metrics']))).text());
  told.push((await client.call<string>('GET', '/metrics')).body);
  // Redis lets nobody in any more: what the programs say of that counts too.
  await admin.call('ACL', 'SETUSER', user, 'off');
  await admin.call('CLIENT', 'KILL', 'USER', user);
  const [worker] = system.workers;
  told.push(JSON.stringify((await submitUnheard()).body), JSON.stringify((await call('GET', '/readyz')).body));
  // Lines come in the order in which they were written: the last ones of interest are out with these.
  await Promise.all([
    system.api.line(({ event }) => event === 'redis.unfit'),
    system.api.line(({ route, status }) => route === '/v1/jobs' && status === 503),
    worker?.line(({ error }) => String(error).includes('WRONGPASS')),
  ]);

  const output = [system.api, ...system.workers].map((program) => program.output());
  const traces = collector.sent.map(({ body }) => body);
  const lines = [...output, ...traces, ...told].flatMap((text) => text.split('\n'));

  expect(confided.size).toBeGreaterThan(60);
  expect([...confided.values()].every((word) => word.length >= 12)).toBe(true);
  for (const event of ['http.request', 'attempt.ended', 'chunk.harvested', 'webhook.tried', 'redis.unfit']) {
    expect(output.join('\n')).toContain(event);
  }
  for (const span of ['job.admit', 'attempt', 'gemini generateContent', 'store', 'batch.admit', 'chunk.collect']) {
    expect(traces.join('\n')).toContain(`"name":"${span}"`);
  }
  // A line leads to the trace that it belongs to.
  const ended = system.workers.flatMap(({ lines }) => lines).find(({ event }) => event === 'attempt.ended');
  expect(traces.join('\n')).toContain(String(ended?.['trace_id']));
  const leaks = [...confided].flatMap(([what, word]) =>
    lines.filter((line) => line.includes(word)).map((line) => `${what}: ${line.slice(0, 300)}`),
  );
  expect(leaks).toEqual([]);
});

async function submitUnheard() {
  return call('POST', '/v1/jobs', { body: { prompt: confide('unheard'), model: MODEL, size: '512' } });
}
