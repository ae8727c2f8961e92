import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, createClient, DarkroomError } from '@darkroom/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../packages/client/src/cli/program.ts';
import { startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
let folder: string;
beforeAll(async () => {
  api = await startApi();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-cli-'));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** The command line in this process, as a script would run it. */
async function darkroom(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const program = createProgram({
    env: { DARKROOM_URL: api.url, DARKROOM_API_KEY: api.key },
    stdin: { isTTY: false },
    stdout: { isTTY: false, write: (text: unknown) => Boolean(out.push(String(text))) },
    stderr: { isTTY: false, write: (text: unknown) => Boolean(err.push(String(text))) },
    signal: new AbortController().signal,
  });
  const code = await program.run(args);
  const lines = out.join('').trim().split('\n').filter(Boolean);
  return { code, out: lines, json: lines.map(parsed), err: err.join('') };
}

function parsed(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const file = async (name: string, text: string) => {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

describe('the client', () => {
  /** What each method asks for, seen by a server that answers all of it with nothing. */
  async function asked(use: (client: Client) => Promise<unknown>): Promise<string> {
    let seen = '';
    const server = createServer((req, res) => {
      seen = `${req.method} ${req.url?.split('?')[0]}`;
      req
        .resume()
        .on('end', () => res.setHeader('content-type', 'application/json').end('{"data":[],"status":"completed"}'));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await use(createClient({ url, apiKey: 'dk_test' }));
    server.close();
    return seen;
  }
  const drain = async (generator: AsyncGenerator) => {
    for await (const _ of generator) continue;
  };
  const csv = { type: 'text/csv' as const, body: 'key,prompt\na,b\n' };
  const CALLS: Record<keyof Client, (client: Client) => Promise<unknown>> = {
    submitJob: (client) => client.submitJob({ prompt: 'x' }),
    getJob: (client) => client.getJob('ID'),
    cancelJob: (client) => client.cancelJob('ID'),
    quoteJob: (client) => client.quoteJob({ prompt: 'x' }),
    listTemplates: (client) => client.listTemplates(),
    checkBatch: (client) => client.checkBatch(csv, {}),
    submitBatch: (client) => client.submitBatch(csv, {}),
    getBatch: (client) => client.getBatch('ID'),
    controlBatch: (client) => client.controlBatch('ID', 'pause'),
    watchBatch: (client) => drain(client.watchBatch('ID')),
    items: (client) => drain(client.items('ID')),
    manifest: (client) => drain(client.manifest('ID')),
    download: (client) => client.download('/v1/jobs/ID/images/0'),
    channels: (client) => client.channels.order('ID', 'drain'),
    listLimits: (client) => client.listLimits(),
    resumeModel: (client) => client.resumeModel('ID'),
    listModels: (client) => client.listModels(),
    previewAction: (client) => client.previewAction({ action: 'cancel', filter: {} }),
    createAction: (client) => client.createAction({ action: 'cancel', filter: {} }),
    getAction: (client) => client.getAction('ID'),
    actions: (client) => drain(client.actions()),
    abortAction: (client) => client.abortAction('ID'),
    getEvent: (client) => client.getEvent('ID'),
    events: (client) => drain(client.events()),
    streamEvents: async (client) => {
      const stopped = AbortSignal.timeout(100);
      await expect(drain(client.streamEvents({}, { signal: stopped }))).rejects.toThrow('timeout');
    },
    createEndpoint: (client) => client.createEndpoint({ url: 'https://example.com/' }),
    listEndpoints: (client) => client.listEndpoints(),
    getEndpoint: (client) => client.getEndpoint('ID'),
    updateEndpoint: (client) => client.updateEndpoint('ID', { enabled: true }),
    deleteEndpoint: (client) => client.deleteEndpoint('ID'),
    rotateEndpointSecret: (client) => client.rotateEndpointSecret('ID'),
    testEndpoint: (client) => client.testEndpoint('ID'),
    replayEvents: (client) => client.replayEvents('ID', { since: '2026-11-21T06:00:00Z' }),
    getWebhookSecret: (client) => client.getWebhookSecret(),
    rotateWebhookSecret: (client) => client.rotateWebhookSecret(),
    deliveries: (client) => drain(client.deliveries('ID')),
    deliveriesOfEvent: (client) => client.deliveriesOfEvent('ID'),
    getDelivery: (client) => client.getDelivery('ID'),
    resendDelivery: (client) => client.resendDelivery('ID'),
  };

  it.each(Object.entries(CALLS))('asks by %s for a route of the OpenAPI document', async (_name, use) => {
    const { json: document } = await api.call('GET', '/openapi.json');
    const routes = Object.entries(document.paths as Record<string, object>).flatMap(([path, item]) =>
      Object.keys(item).map(
        (method) => `${method.toUpperCase()} ${path.replaceAll(/\{(id|model)\}/g, 'ID').replaceAll('{n}', '0')}`,
      ),
    );

    expect(routes).toContain(await asked(use));
  });

  it('makes an error of a problem, with its fields', async () => {
    const client = createClient({ url: api.url, apiKey: api.key });
    const refused = await client.submitJob({ prompt: '' }).catch((error: unknown) => error);

    expect(refused).toBeInstanceOf(DarkroomError);
    expect(refused).toMatchObject({ status: 400, retryable: false, problem: { param: 'prompt' } });
  });

  it('says so when nobody answers', async () => {
    const client = createClient({ url: 'http://127.0.0.1:9', apiKey: 'dk_test' });

    await expect(client.getJob('x')).rejects.toMatchObject({ status: 0, retryable: true });
  });

  it('sits out an outage while it watches', async () => {
    const answers = [
      { status: 503, body: { code: 'not_ready', detail: 'wait', retryable: true } },
      { status: 200, body: { id: 'bat_1', status: 'running', counts: {} } },
      undefined,
      { status: 200, body: { id: 'bat_1', status: 'completed', counts: {} } },
    ];
    const client = createClient({
      url: 'http://127.0.0.1',
      apiKey: 'dk_test',
      fetch: async () => {
        const answer = answers.shift();
        if (!answer) throw new TypeError('fetch failed');
        return Response.json(answer.body, { status: answer.status });
      },
    });
    const seen: string[] = [];
    for await (const view of client.watchBatch('bat_1', { everyMs: 1 })) seen.push(view.status);

    expect(seen).toEqual(['running', 'completed']);
  });
});

describe('the darkroom command', () => {
  it('submits a job and shows it again', async () => {
    const submitted = await darkroom('submit', 'a red mug', '--size', '2K', '--ratio', '4:5');
    const id = String(submitted.json[0]?.['id']);

    expect(submitted).toMatchObject({ code: 0, json: [{ status: 'queued', size: '2K', aspect_ratio: '4:5' }] });
    expect(await darkroom('get', id)).toMatchObject({ code: 0, json: [{ id }] });
    expect(await darkroom('status', id)).toMatchObject({ code: 0, json: [{ id }] });
    expect(await darkroom('cancel', id)).toMatchObject({ code: 0, json: [{ id, status: 'canceled' }] });
  });

  it('checks a catalogue without submitting it, and names what is wrong', async () => {
    const path = await file('bad.csv', 'key,prompt,size\na,a red mug,1K\nb,,1K\nc,a blue mug,9K\n');

    const checked = await darkroom('batch', path, '--dry-run');

    expect(checked).toMatchObject({ code: 2, json: [{ counts: { rows: 3, valid: 1, invalid: 2 } }] });
    expect((await darkroom('batch', path)).json).toMatchObject([{ errors: [{ line: 3 }, { line: 4 }] }]);
    expect((await api.call('GET', '/v1/batches')).json.data).toEqual([]);
    expect(await darkroom('batch', path)).toMatchObject({ code: 2, err: expect.stringContaining('2 of 3 rows') });
  });

  it('asks before it spends, and does not when nobody is there to ask', async () => {
    const rows = Array.from({ length: 40 }, (_, n) => `k${n},"a red mug, number ${n}"`).join('\n');
    const path = await file('dear.csv', `key,prompt\n${rows}\n`);

    const declined = await darkroom('batch', path, '--model', 'pro', '--ask-above', '0.5');
    expect(declined).toMatchObject({ code: 4, err: expect.stringContaining('--yes') });
    expect((await api.call('GET', '/v1/batches')).json.data).toEqual([]);

    const agreed = await darkroom('batch', path, '--model', 'pro', '--ask-above', '0.5', '--yes');
    expect(agreed).toMatchObject({ code: 0, json: [{ counts: { total: 40 }, lanes: ['batch'] }] });
    const id = String(agreed.json[0]?.['id']);
    expect(await darkroom('status', id)).toMatchObject({ code: 0, json: [{ id }] });
  });

  it('pauses, resumes and cancels a batch', async () => {
    const path = await file(
      'paused.csv',
      `key,prompt\n${Array.from({ length: 30 }, (_, n) => `p${n},mug ${n}`).join('\n')}\n`,
    );
    const id = String((await darkroom('batch', path, '--yes', '--lane', 'batch', '--canary', '0')).json[0]?.['id']);

    expect(await darkroom('pause', id)).toMatchObject({ code: 0, json: [{ status: 'paused', paused_by: 'caller' }] });
    expect(await darkroom('resume', id)).toMatchObject({ code: 0, json: [{ id }] });
    expect(await darkroom('cancel', id)).toMatchObject({ code: 0, json: [{ id }] });
  });

  it('stops watching a batch that waits for somebody, and says what can be done', async () => {
    const view = {
      id: 'bat_1',
      status: 'paused',
      paused_by: 'canary',
      canary: { rows: 10, failed: 8 },
      counts: { total: 200 },
      cost: {},
    };
    const server = createServer((_, res) => res.end(JSON.stringify(view))).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    const watched = await darkroom('--url', url, 'status', 'bat_1', '--watch');
    server.close();

    expect(watched).toMatchObject({ code: 1, err: expect.stringContaining('8 of the first 10 rows failed') });
    expect(watched.err).toContain('darkroom resume bat_1');
  });

  it('finds no lane for a cost that is too low', async () => {
    const path = await file('poor.csv', 'key,prompt\na,a red mug\n');

    const checked = await darkroom('batch', path, '--max-cost', '0.001', '--dry-run');

    expect(checked).toMatchObject({ code: 2, err: expect.stringContaining('max_cost is too low') });
  });

  it.each([
    [['frobnicate'], 2, 'unknown command'],
    [['submit'], 2, "missing required argument 'prompt'"],
    [['submit', 'x', '--sise', '1K'], 2, "unknown option '--sise'"],
    [['submit', 'x', '--size', '9K'], 2, 'size'],
    [['submit', 'x', '--deadline', 'soon'], 2, '07:00'],
    [['get', 'job_unknown'], 2, 'there is no such job'],
    [['batch', 'nowhere.csv'], 2, 'there is no such file'],
    [['--url', 'http://127.0.0.1:9', 'status', 'x'], 3, 'cannot be reached'],
  ])('darkroom %s exits with %i and says why', async (args, code, why) => {
    const ended = await darkroom(...args);

    expect(ended.code).toBe(code);
    expect(ended.err.toLowerCase()).toContain(why.toLowerCase());
  });
});
