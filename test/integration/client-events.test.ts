/** Events and webhooks through the client and the command, over a way there that is cut at will. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type Client, createClient } from '@darkroom/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../packages/client/src/cli/program.ts';
import { type Json, startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let relay: Relay;
beforeAll(async () => {
  api = await startApi({ lookup: async () => ['93.184.215.14'], replace: () => ({ heartbeatMs: 200 }) });
  relay = await startRelay(api.port);
});
afterAll(async () => {
  await relay[Symbol.asyncDispose]();
  await api[Symbol.asyncDispose]();
});

/** `answered`: bytes that came back over connections that are open. */
type Relay = AsyncDisposable & { url: string; answered: () => number; cut: () => void };

/** Hands bytes to the API and back, until they are cut. */
async function startRelay(port: number): Promise<Relay> {
  const open = new Set<Socket>();
  const upstreams = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
    }
    upstreams.add(upstream);
    upstream.on('close', () => upstreams.delete(upstream));
    client.pipe(upstream).pipe(client);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    answered: () => [...upstreams].reduce((sum, { bytesRead }) => sum + bytesRead, 0),
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}

let tenants = 0;
async function aTenant() {
  const key = await api.addKey(`tenant-${++tenants}`, ['jobs:read', 'jobs:write', 'webhooks:write']);
  const submit = async (): Promise<string> =>
    (await api.call('POST', '/v1/jobs', { key, body: { prompt: 'a mug', dedup: false } })).json.id;
  return { key, submit, client: createClient({ url: relay.url, apiKey: key }) };
}

/** Follows the stream in the background. */
function follow(client: Client, filter: object = {}, lastEventId?: string) {
  const stop = new AbortController();
  const seen: { id: string; job: string }[] = [];
  const run = async () => {
    const options = { signal: stop.signal, ...(lastEventId && { lastEventId }) };
    for await (const { id, data } of client.streamEvents(filter, options)) {
      seen.push({ id, job: 'id' in data ? data.id : '' });
    }
  };
  const over = run().catch((error: unknown) => error);
  const end = async () => {
    stop.abort(new Error('enough'));
    return over;
  };
  return { seen, jobs: () => seen.map(({ job }) => job), end };
}

const soon = { timeout: 15_000 };

describe('a stream of events', () => {
  it('goes on where it was cut, and misses none', async () => {
    const { client, submit } = await aTenant();
    const first = await submit();
    const stream = follow(client, { since: '2020-01-01T00:00:00Z' });
    await expect.poll(stream.jobs, soon).toEqual([first]);

    relay.cut();
    const second = await submit();
    const third = await submit();

    await expect.poll(stream.jobs, soon).toEqual([first, second, third]);
    expect(await stream.end()).toEqual(new Error('enough'));
  });

  it('misses none either when it is cut before it was told of any', async () => {
    const { client, submit } = await aTenant();
    relay.cut();
    const stream = follow(client);
    await expect.poll(relay.answered, soon).toBeGreaterThan(0);
    relay.cut();

    const jobs = [await submit(), await submit()];

    await expect.poll(stream.jobs, soon).toEqual(jobs);
    await stream.end();
  });

  it('goes on after an event that was seen days ago', async () => {
    const { client, submit } = await aTenant();
    const [, second] = [await submit(), await submit()];
    const [newest] = await listed(client);
    const [, oldest] = await listed(client);
    expect(newest?.data).toMatchObject({ id: second });

    const stream = follow(client, {}, oldest?.id);

    await expect.poll(stream.jobs, soon).toEqual([second]);
    await stream.end();
  });

  it('ends with what the server says when that is no use', async () => {
    const { client } = await aTenant();

    await expect(follow(client, {}, 'evt_none').end()).resolves.toMatchObject({ message: expect.any(String) });
    const refused = client.streamEvents({ type: 'no.type' }).next();
    await expect(refused).rejects.toMatchObject({ status: 400, problem: { param: 'type[0]' } });
  });
});

async function listed(client: Client) {
  const found = [];
  for await (const event of client.events()) found.push(event);
  return found;
}

/** The command line in this process, as a script would run it; interrupted once it has printed so many lines. */
async function darkroom(key: string, args: string[], stopAfter = Number.POSITIVE_INFINITY) {
  const stop = new AbortController();
  const out: string[] = [];
  const err: string[] = [];
  const program = createProgram({
    env: { DARKROOM_URL: api.url, DARKROOM_API_KEY: key },
    stdin: { isTTY: false },
    stdout: {
      isTTY: false,
      write: (text: unknown) => {
        if (out.push(String(text)) >= stopAfter) stop.abort();
        return true;
      },
    },
    stderr: { isTTY: false, write: (text: unknown) => Boolean(err.push(String(text))) },
    signal: stop.signal,
  });
  const code = await program.run(args);
  const lines = () => out.join('').trim().split('\n').filter(Boolean);
  return { code, json: lines().map((line): Json => JSON.parse(line)), err: err.join('') };
}

describe('the darkroom command', () => {
  it('makes an endpoint, lists it, tests it, and shows what came of it', async () => {
    const { key } = await aTenant();

    const words = 'webhooks create https://shop.example/hook --description shop --event job.* --event batch.completed';
    const made = await darkroom(key, words.split(' '));
    const [{ id, secret }] = made.json;

    expect([made.code, secret]).toEqual([0, expect.stringMatching(/^whsec_/)]);
    const [listedEndpoint] = (await darkroom(key, ['webhooks', 'list'])).json;
    expect(listedEndpoint).toMatchObject({ id, description: 'shop', enabled: true });
    expect(listedEndpoint).not.toHaveProperty('secret');
    const [sent] = (await darkroom(key, ['webhooks', 'test', id])).json;
    expect(sent.delivery).toMatch(/^dlv_/);
    expect(await darkroom(key, ['webhooks', 'deliveries', id, '--status', 'dead'])).toMatchObject({
      code: 0,
      json: [],
    });
    expect(await darkroom(key, ['webhooks', 'deliveries', sent.event])).toMatchObject({ code: 0, json: [] });
    const again = await darkroom(key, ['webhooks', 'resend', sent.delivery]);
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('There is no such delivery.')]);
    const refused = await darkroom(key, ['webhooks', 'create', 'http://shop.example/']);
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('https')]);
  });

  it('disables, enables and deletes an endpoint, and gives it a new secret', async () => {
    const { key } = await aTenant();
    const [{ id, secret }] = (await darkroom(key, ['webhooks', 'create', 'https://shop.example/hook'])).json;
    const on = async (command: string, ...more: string[]) => darkroom(key, ['webhooks', command, id, ...more]);

    expect((await on('disable')).json).toMatchObject([{ id, enabled: false, disabled_reason: 'caller' }]);
    expect((await on('enable')).json).toMatchObject([{ id, enabled: true }]);
    const [rotated] = (await on('rotate', '--overlap', '1h')).json;
    expect([rotated.secret === secret, rotated.old_secrets_until.length]).toEqual([false, 1]);
    expect(await on('delete')).toMatchObject({ code: 0, json: [{ id, deleted: true }] });
    expect(await on('enable')).toMatchObject({ code: 2, err: expect.stringContaining('begins with whe_') });
  });

  it('shows the secret of what jobs name themselves, and makes another', async () => {
    const { key } = await aTenant();
    const own = async (...more: string[]) => (await darkroom(key, ['webhooks', 'secret', ...more])).json[0];

    const before = await own();
    const after = await own('--rotate', '--overlap', '0s');

    expect(await own()).toEqual(after);
    expect(after).toEqual({ secret: expect.stringMatching(/^whsec_/) });
    expect(after.secret).not.toBe(before.secret);
  });

  it('replays what an endpoint was not sent, once that is agreed to', async () => {
    const { key, submit } = await aTenant();
    await submit();
    const [{ id }] = (await darkroom(key, ['webhooks', 'create', 'https://shop.example/hook'])).json;
    const replay = async (...more: string[]) => darkroom(key, ['webhooks', 'replay', id, ...more]);

    const counted = await replay('--since', '1h', '--preview');
    expect([counted.code, counted.json]).toEqual([0, [expect.objectContaining({ preview: true, action: 'replay' })]]);
    const events = `${counted.json[0].count} events`;
    expect(await replay('--since', '1h')).toMatchObject({
      code: 4,
      json: [],
      err: `It would send ${events}. Pass --yes to agree.\n`,
    });
    const started = await replay('--since', '1h', '--type', 'job.*', '--all', '--yes');
    expect([started.code, started.json]).toEqual([
      0,
      [expect.objectContaining({ action: 'replay', id: expect.stringMatching(/^act_/) })],
    ]);
    expect(await replay('--since', 'yesterday')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--since yesterday: say'),
    });
    const future = await replay('--since', '2100-01-01T00:00:00Z');
    expect([future.code, future.err]).toEqual([2, expect.stringContaining('Give an earlier time.')]);
  });

  it('says once what is wrong, and what was meant', async () => {
    const { key } = await aTenant();

    const typo = await darkroom(key, ['webhooks', 'create', 'https://shop.example/', '--event', 'job.suceeded']);
    const other = await darkroom(key, ['webhooks', 'deliveries', 'job_1']);

    expect([typo.code, typo.err.split('did you mean job.succeeded?')]).toEqual([
      2,
      [expect.any(String), expect.any(String)],
    ]);
    expect([other.code, other.err]).toEqual([2, expect.stringMatching(/job_1 is neither an endpoint \(whe_…/)]);
  });

  it('lists events oldest first, and follows them until it is stopped', async () => {
    const { key, submit } = await aTenant();
    const jobs = [await submit(), await submit()];

    const list = await darkroom(key, ['events', '--type', 'job.*']);
    expect([list.code, list.json.map(({ data }) => data.id)]).toEqual([0, jobs]);

    const followed = await darkroom(key, ['events', '--follow', '--since', '2020-01-01T00:00:00Z'], jobs.length);

    expect(followed.json.map(({ data }) => data.id)).toEqual(jobs);
    expect([followed.code, followed.err]).toEqual([
      130,
      `Go on with \`darkroom events --follow --after ${list.json[1].id}\`.\n`,
    ]);
  });
});
