import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ReceivedWebhook, verifyWebhook, WebhookVerificationError } from '@darkroom/client';
import { newWebhookSecret, signatureHeaders } from '@darkroom/shared/webhooks';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks, type TestWebhooks } from '../../support/webhook-lane.ts';
import { startSink } from '../../support/webhook-sink.ts';

let test: TestWebhooks;
beforeEach(async () => {
  test = await openTestWebhooks({ timeoutMs: 5_000 });
});
afterEach(() => test[Symbol.asyncDispose]());

type Receiver = AsyncDisposable & { url: string; printed: () => string };

/** An example as its reader would start it, on a port of its own. */
async function start(command: string, args: string[], env: Record<string, string>): Promise<Receiver> {
  const port = await freePort();
  const child = spawn(command, args, { env: { PATH: process.env['PATH'], PORT: String(port), ...env } });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => lines.push(String(chunk)));
  const url = `http://127.0.0.1:${port}/hook`;
  await expect
    .poll(
      () =>
        fetch(url, { method: 'POST', body: 'nothing' }).then(
          ({ status }) => status,
          () => lines.join(''),
        ),
      {
        timeout: 10_000,
      },
    )
    .toBe(400);
  return { url, printed: () => lines.join(''), [Symbol.asyncDispose]: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** What comes of a real event that is sent to the receiver, and of another that a stranger has signed. */
async function sendTo(command: string, args: string[], env: Record<string, string>) {
  const { id, secret } = await test.register('http://127.0.0.1:1/');
  await using receiver = await start(command, args, { ...env, WEBHOOK_SECRET: secret });
  const [endpoint, stranger] = [await test.deps.endpoints.read(TENANT, id), await test.register(receiver.url)];
  if (endpoint) await test.deps.endpoints.write({ ...endpoint, version: 2, url: receiver.url });
  await test.admit('job_a');

  await test.settle();

  const [good] = await test.deps.deliveries.list(TENANT, id, { limit: 1 });
  const [bad] = await test.deps.deliveries.list(TENANT, stranger.id, { limit: 1 });
  return { good, bad, printed: receiver.printed() };
}

/** The one of Python only where there is a Python to run it. */
const EXAMPLES: [file: string, command: string][] = [
  ['examples/webhook-receiver.mjs', process.execPath],
  ['examples/webhook_receiver.py', 'python3'],
].filter(([, command]) => spawnSync(command ?? '', ['--version']).status === 0) as [string, string][];

describe('the examples', () => {
  let modules: string;
  beforeAll(async () => {
    modules = await mkdtemp(join(tmpdir(), 'standardwebhooks-'));
    // Python's package is not here: this stands in for it, of the same interface, by the text of the specification.
    await writeFile(join(modules, 'standardwebhooks.py'), STAND_IN);
  });
  afterAll(() => rm(modules, { recursive: true }));

  it.each(EXAMPLES)('take what Darkroom has signed, and nothing else: %s', async (file, command) => {
    const { good, bad, printed } = await sendTo(command, [file], { PYTHONPATH: modules });

    expect(good).toMatchObject({ status: 'delivered', log: [{ http: 204 }] });
    expect(printed).toContain(`${good?.event} job.queued job_a`);
    expect(bad).toMatchObject({ status: 'pending', log: [{ http: 400 }] });
  });
});

const STAND_IN = `
import base64, hashlib, hmac, json, time

class WebhookVerificationError(Exception): pass

class Webhook:
    def __init__(self, secret):
        self.key = base64.b64decode(secret.removeprefix("whsec_"))
    def verify(self, data, headers):
        sent = {name.lower(): value for name, value in headers.items()}
        try:
            signed = b".".join([sent["webhook-id"].encode(), sent["webhook-timestamp"].encode(), data])
            age = abs(time.time() - int(sent["webhook-timestamp"]))
            given = sent["webhook-signature"].split(" ")
        except (KeyError, ValueError):
            raise WebhookVerificationError("headers")
        right = "v1," + base64.b64encode(hmac.new(self.key, signed, hashlib.sha256).digest()).decode()
        if age > 300 or not any(hmac.compare_digest(right, one) for one in given):
            raise WebhookVerificationError("signature")
        return json.loads(data)
`;

describe('verifyWebhook', () => {
  const secret = newWebhookSecret();
  const id = 'evt_0199a9f0c80070008000000000000001';
  const body = JSON.stringify({ type: 'job.queued', timestamp: '2026-11-21T06:00:00.000Z', data: { id: 'job_ä' } });
  const headers = (by: string[] = [secret], at = Date.now(), text = body): Record<string, string> =>
    signatureHeaders(by, { id, body: text, at });
  const verify = (changed: Partial<ReceivedWebhook> = {}) =>
    verifyWebhook({ body, headers: headers(), secret, ...changed });

  it('answers with the typed event of a real delivery, whatever the headers and the body are held in', async () => {
    await using sink = await startSink();
    const endpoint = await test.register(sink.url('/hook'));
    await test.admit('job_a');
    await test.settle();
    const [request] = sink.at('/hook');
    if (!request) throw new Error('nothing came');

    const event = verifyWebhook({ body: request.body, headers: request.headers, secret: endpoint.secret });

    expect(event).toMatchObject({ id: request.headers['webhook-id'], type: 'job.queued', data: { id: 'job_a' } });
    const fetched = new Headers(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const bytes = new TextEncoder().encode(request.body);
    expect(verifyWebhook({ body: bytes, headers: fetched, secret: endpoint.secret })).toEqual(event);
    expect(new Webhook(endpoint.secret).verify(request.body, request.headers as Record<string, string>)).toEqual(
      JSON.parse(request.body),
    );
  });

  it('takes what any of several secrets has signed, on either side', () => {
    const [older, newer] = [newWebhookSecret(), newWebhookSecret()];

    expect(verify({ secret: [newer, secret] }).type).toBe('job.queued');
    expect(verify({ headers: headers([newer, older]), secret: older }).type).toBe('job.queued');
    expect(verify({ headers: new Headers(headers([newer, older])), secret: [newer] }).id).toBe(id);
  });

  it.each<[string, () => Partial<ReceivedWebhook>]>([
    ['another secret', () => ({ secret: newWebhookSecret() })],
    ['another body', () => ({ body: body.replace('queued', 'failed') })],
    ['a body that was parsed and written again', () => ({ body: JSON.stringify(JSON.parse(body), null, 1) })],
    ['an old time', () => ({ headers: headers([secret], Date.now() - 301_000) })],
    ['a time to come', () => ({ headers: headers([secret], Date.now() + 302_000) })],
    [
      'an older time than is tolerated',
      () => ({ headers: headers([secret], Date.now() - 11_000), toleranceMs: 10_000 }),
    ],
    ['another id', () => ({ headers: { ...headers(), 'webhook-id': 'evt_x' } })],
    ['no headers', () => ({ headers: {} })],
    ['a header that comes twice', () => ({ headers: { ...headers(), 'webhook-id': [id, id] } })],
  ])('throws for %s', (_name, changed) => {
    expect(() => verify(changed())).toThrow(WebhookVerificationError);
  });

  it('tolerates what it is told to', () => {
    expect(verify({ headers: headers([secret], Date.now() - 3_600_000), toleranceMs: 3_700_000 }).id).toBe(id);
  });

  it.each([[''], ['whsec_'], ['whsec_c2hvcnQ='], ['undefined'], [[]], [[secret, '']]])(
    'does not work with a secret that is none: %j',
    (wrong) => {
      const forged = headers([typeof wrong === 'string' ? wrong : 'whsec_']);

      expect(() => verify({ headers: forged, secret: wrong })).toThrow(TypeError);
    },
  );
});
