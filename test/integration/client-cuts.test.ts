/** The command against a server whose answers are cut on the way. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProgram } from '../../packages/client/src/cli/program.ts';
import { startApi, type TestApi } from '../support/start-api.ts';

/** script(1), which every Linux has: it runs a command on a terminal of its own. */
const TERMINAL = 'script';
const MAIN = new URL('../../packages/client/src/cli/main.ts', import.meta.url).pathname;

let api: TestApi;
let folder: string;
beforeAll(async () => {
  api = await startApi();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-cuts-'));
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** A server on the loopback, closed with all its connections. */
async function listen(server: ReturnType<typeof createServer>): Promise<AsyncDisposable & { url: string }> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Hands every request to the API, and cuts the answers of as many real submissions as it is told. */
async function cutting(path: string, times: number) {
  const keys: unknown[] = [];
  const server = createServer((req, res) => {
    const submits = req.method === 'POST' && req.url?.startsWith(path) && !req.url.includes('dry_run');
    if (submits) keys.push(req.headers['idempotency-key']);
    const cut = submits && keys.length <= times;
    const onward = request(`${api.url}${req.url}`, { method: req.method, headers: req.headers }, (answer) => {
      if (cut) return void answer.resume().on('end', () => res.destroy());
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    req.pipe(onward.on('error', () => res.destroy()));
  });
  return { ...(await listen(server)), keys };
}

async function darkroom(url: string, ...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await createProgram({
    env: { DARKROOM_URL: url, DARKROOM_API_KEY: api.key },
    stdin: { isTTY: false },
    stdout: { isTTY: false, write: (text: unknown) => Boolean(out.push(String(text))) },
    stderr: { isTTY: false, write: (text: unknown) => Boolean(err.push(String(text))) },
    signal: new AbortController().signal,
  }).run(args);
  return { code, out: out.join(''), err: err.join('') };
}

const batches = async () => (await api.call('GET', '/v1/batches')).json.data.length as number;

async function rows(name: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `key,prompt\na,a red ${name}\nb,a blue ${name}\n`);
  return path;
}

describe('a submission whose answer is lost', () => {
  it('is repeated under its key, and is one batch', async () => {
    await using way = await cutting('/v1/batches', 2);
    const before = await batches();

    const ended = await darkroom(way.url, 'batch', await rows('one.csv'));

    expect(ended).toMatchObject({ code: 0, err: '' });
    expect(new Set(way.keys).size).toBe(1);
    expect(way.keys).toHaveLength(3);
    expect((await batches()) - before).toBe(1);
  });

  it('is one job', async () => {
    await using way = await cutting('/v1/jobs', 1);

    const ended = await darkroom(way.url, 'submit', 'a lone teapot');

    expect(ended.code).toBe(0);
    expect(new Set(way.keys).size).toBe(1);
  });

  it('is gone on with by the options it names, without a second batch', async () => {
    await using way = await cutting('/v1/batches', 5);
    const path = await rows('long.csv');
    const before = await batches();
    const lost = await darkroom(way.url, 'batch', path, '--deadline', '30h');
    const options = lost.err.trim().split('\n').at(-1)?.trim().split(' ') ?? [];

    const again = await darkroom(way.url, 'batch', path, '--deadline', '30h', ...options);

    expect(lost.code).toBe(3);
    expect(options[0]).toBe('--idempotency-key');
    expect(again).toMatchObject({ code: 0, err: '' });
    expect((await batches()) - before).toBe(1);
  }, 20_000);

  it('is a second one when the command is simply run again', async () => {
    const path = await rows('twice.csv');
    const before = await batches();

    await darkroom(api.url, 'batch', path);
    await darkroom(api.url, 'batch', path);

    expect((await batches()) - before).toBe(2);
  });
});

describe('a download', () => {
  const counts = { total: 3, succeeded: 3, blocked: 0, failed: 0, canceled: 0, expired: 0, invalid: 0 };
  const cost = { actual: '0.1', estimated: '0.1' };
  const PICTURE = Buffer.alloc(40_000, 'x');
  /** A batch of three images, each of which is cut once in its middle; `dead` ones always. */
  function store(dead: string[] = []) {
    const asked = new Map<string, number>();
    const item = (key: string, n: number) => ({
      key,
      status: 'succeeded',
      model: 'm',
      lane: 'batch',
      cost,
      images: [{ url: `/v1/image/${n}`, mime: 'image/jpeg', bytes: PICTURE.length, thumbnail_url: `/v1/image/${n}` }],
      ...(n === 0 && { references: [{ url: '/v1/large' }] }),
    });
    return createServer((req, res) => {
      const url = req.url ?? '';
      if (url.startsWith('/v1/batches/bat_1/items'))
        return void res.end(JSON.stringify({ data: ['a:b', 'a_b', 'A_B'].map(item) }));
      if (url.startsWith('/v1/batches/bat_1/manifest')) return void res.end('key\n');
      if (url === '/v1/large') return void res.end(Buffer.alloc(500_000));
      if (!url.startsWith('/v1/image/'))
        return void res.end(JSON.stringify({ id: 'bat_1', status: 'completed', counts, cost }));
      asked.set(url, (asked.get(url) ?? 0) + 1);
      res.writeHead(200, { 'content-length': PICTURE.length, 'content-type': 'image/jpeg' });
      if (asked.get(url) !== 1 && !dead.includes(url)) return void res.end(PICTURE);
      res.write(PICTURE.subarray(0, 20_000), () => res.destroy());
    });
  }

  it('sits out cuts, and gives keys that look alike files of their own', async () => {
    await using server = await listen(store());
    const target = join(folder, 'images');
    const sheet = join(folder, 'sheet.html');

    const ended = await darkroom(server.url, 'download', 'bat_1', target, '--contact-sheet', sheet);

    expect(ended).toMatchObject({ code: 0, err: '' });
    expect((await readdir(target)).sort()).toEqual(['A_B~3.jpg', 'a_b.jpg', 'a_b~2.jpg', 'manifest.csv']);
    expect(await readFile(join(target, 'a_b.jpg'))).toEqual(PICTURE);
    expect(await readFile(sheet, 'utf8')).toContain('source: 0.5 MB, too large for this page');
  });

  it('takes new links for those that ran out while it was busy with others', async () => {
    const asked: string[] = [];
    await using server = await listen(
      createServer((req, res) => {
        const url = req.url ?? '';
        const path = '/v1/jobs/job_1/images/0';
        const image = { url: '/stored?expired', mime: 'image/jpeg', bytes: 4, thumbnail_url: `${path}/thumbnail` };
        asked.push(url);
        if (url.startsWith('/v1/batches/bat_1/items'))
          res.end(JSON.stringify({ data: [{ key: 'a', images: [image] }] }));
        else if (url.startsWith('/v1/batches/bat_1/manifest')) res.end('key\n');
        else if (url === path) res.writeHead(302, { location: '/stored?fresh' }).end();
        else if (url === '/stored?fresh') res.end('jpeg');
        else if (url.startsWith('/stored')) res.writeHead(400).end('ExpiredToken');
        else res.end(JSON.stringify({ id: 'bat_1', status: 'completed', counts, cost }));
      }),
    );
    const target = join(folder, 'fresh');

    expect(await darkroom(server.url, 'download', 'bat_1', target)).toMatchObject({ code: 0, err: '' });
    expect(await readFile(join(target, 'a.jpg'), 'utf8')).toBe('jpeg');
    expect(asked.filter((url) => url.startsWith('/stored'))).toEqual(['/stored?expired', '/stored?fresh']);
  });

  it('that goes on being cut ends with one line, and without half a file', async () => {
    await using server = await listen(store(['/v1/image/1']));
    const target = join(folder, 'cut');

    const ended = await darkroom(server.url, 'download', 'bat_1', target);

    expect(ended.code).toBe(3);
    expect(ended.err).toContain('cannot be reached');
    expect((await readdir(target)).filter((name) => name.endsWith('.part'))).toEqual([]);
  }, 20_000);
});

describe('on a terminal', () => {
  function onTerminal(url: string, command: string) {
    const env = { ...process.env, DARKROOM_URL: url, DARKROOM_API_KEY: api.key };
    const line = `${process.execPath} --conditions=source ${MAIN} ${command}`;
    const child = spawn(TERMINAL, ['-qefc', line, '/dev/null'], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    let seen = '';
    child.stdout.on('data', (chunk) => {
      seen += String(chunk);
    });
    const shows = async (text: string) => {
      while (!seen.includes(text)) await once(child.stdout, 'data');
    };
    const ended = once(child, 'close').then(([code]) => ({ code: Number(code), seen }));
    return { child, shows, ended };
  }

  it('Ctrl-C in a watch is an interruption, and the batch goes on', async () => {
    const path = await rows('watched.csv');
    const { child, shows, ended } = onTerminal(api.url, `batch ${path} --lane batch --watch`);
    await shows('───');
    child.stdin.write('\u0003');

    const { code, seen } = await ended;
    expect(code).toBe(130);
    expect(seen).toMatch(/The batch goes on; see it with `darkroom status bat_\S+ --watch`/);
  }, 20_000);

  it('does not ask where nobody can answer', async () => {
    const path = await rows('unasked.csv');
    const { ended } = onTerminal(api.url, `batch ${path} --ask-above 0 < /dev/null`);

    expect(await ended).toMatchObject({ code: 4, seen: expect.stringContaining('Pass --yes') });
  }, 20_000);
});

it('a watch whose reader goes away is an interruption', async () => {
  let done = 0;
  await using server = await listen(
    createServer((_req, res) => {
      const counts = { total: 9_999, succeeded: ++done, blocked: 0, failed: 0, canceled: 0, expired: 0 };
      res.end(JSON.stringify({ id: 'bat_1', status: 'running', counts, cost: { actual: '0', estimated: '1' } }));
    }),
  );
  const args = ['--conditions=source', MAIN, '--url', server.url, '--key', api.key, 'status', 'bat_1', '--watch'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let err = '';
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');

  child.stdout.destroy();

  const [code] = await ended;
  expect(code).toBe(130);
  expect(err).toBe('The batch goes on; see it with `darkroom status bat_1 --watch`.\n');
}, 20_000);

describe('a disk that takes no images', () => {
  it('is found before anything is submitted', async () => {
    const before = await batches();
    const path = await rows('unwritable.csv');

    const folders = await darkroom(api.url, 'batch', path, '--download', join(path, 'images'));
    const sheet = await darkroom(api.url, 'batch', path, '--contact-sheet', join(folder, 'nowhere', 'sheet.html'));

    expect([folders.code, sheet.code]).toEqual([2, 2]);
    expect((await batches()) - before).toBe(0);
  });

  it('ends a download with how to go on', async () => {
    const counts = { total: 0, succeeded: 0, blocked: 0, failed: 0, canceled: 0, expired: 0 };
    const view = { id: 'bat_1', status: 'completed', counts, cost: { actual: '0', estimated: '0' }, data: [] };
    await using server = await listen(createServer((_req, res) => void res.end(JSON.stringify(view))));
    const target = join(folder, 'full');
    // A folder where a file is to be written.
    await mkdir(join(target, 'manifest.csv.part'), { recursive: true });

    const ended = await darkroom(server.url, 'download', 'bat_1', target);

    expect(ended.code).toBe(1);
    expect(ended.err).toContain(`Go on with \`darkroom download bat_1 ${target}\``);
  });
});

describe('what the command is told', () => {
  it.each([
    ['an address without its scheme', ['--url', 'localhost:18431', 'status', 'x'], 'begin it with http://'],
    ['no address at all', ['--url', 'nonsense', 'status', 'x'], 'begin it with http://'],
    ['a folder for a file', ['batch', tmpdir()], 'is no file'],
  ])('%s is refused with 2', async (_what, args, why) => {
    const ended = await darkroom(api.url, ...args);

    expect(ended.code).toBe(2);
    expect(ended.err).toContain(why);
  });

  it('--map takes one pair, and leaves the file alone', async () => {
    const path = join(folder, 'map.csv');
    await writeFile(path, 'Id,Words\na,a red mug\n');

    const ended = await darkroom(api.url, 'batch', '--map', 'Id=key', '--map', 'Words=prompt', path, '--dry-run');

    expect(ended).toMatchObject({ code: 0, err: '' });
  });

  it('status --watch waits for the end of a job', async () => {
    const { json: job } = await api.call('POST', '/v1/jobs', { body: { prompt: 'a watched pot' } });
    const watched = darkroom(api.url, 'status', job.id, '--watch');
    await api.call('POST', `/v1/jobs/${job.id}/cancel`);

    expect(await watched).toMatchObject({ code: 1, out: expect.stringContaining('"canceled"') });
  }, 40_000);
});
