import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { isAlive } from '../../scripts/lib/running.mjs';
import { type Launcher, launchStart } from '../support/launch-start.ts';

const run = promisify(execFile);

let dataDir: string;
const open: { stop: () => Promise<number> }[] = [];
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'darkroom-start-'));
});
afterEach(async () => {
  for (const launcher of open.splice(0)) await launcher.stop();
  await rm(dataDir, { recursive: true, force: true });
});

type Job = { id: string; status: string; images: { width: number; height: number; mime: string; bytes: number }[] };

function launch(extra: Record<string, string> = {}): Launcher {
  const launcher = launchStart(dataDir, extra);
  open.push(launcher);
  return launcher;
}

async function shell(command: string, cwd = dataDir): Promise<string> {
  const { stdout } = await run('sh', ['-c', command], { cwd });
  return stdout;
}

async function makeImage(launcher: Launcher): Promise<Job> {
  return JSON.parse(await shell(launcher.command('curl -sS ')));
}

async function getJob(launcher: Launcher, id: string): Promise<Job> {
  const headers = { authorization: `Bearer ${launcher.key()}` };
  const response = await fetch(`${launcher.url()}/v1/jobs/${id}`, { headers });
  expect(response.status).toBe(200);
  return (await response.json()) as Job;
}

async function fetchImage(launcher: Launcher, id: string): Promise<Buffer> {
  await shell(launcher.command('curl -sSL ').replace('JOB_ID', id));
  return readFile(join(dataDir, 'image.jpg'));
}

/** All processes that descend from one, by number. */
async function descendantsOf(pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid=']);
  const parents = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) found.push(...parents.flatMap(([child = 0, of]) => (of === parent ? [child] : [])));
  return found.slice(1);
}

/** Once its log says so: that a program is ready can be known before its first lines are written. */
async function pidOf(program: 'api' | 'worker'): Promise<number> {
  const written = async () => {
    const lines = (await readFile(join(dataDir, 'logs', `${program}.log`), 'utf8')).trim().split('\n');
    const last = lines.findLast((line) => line.includes(`"${program}.listening"`));
    expect(last).toBeDefined();
    return Number(JSON.parse(last ?? '{}').pid);
  };
  return vi.waitFor(written, { timeout: 10_000, interval: 20 });
}

// Each start is five processes: seconds on a machine of its own, many more on one that is busy.
describe('npm start', { timeout: 120_000 }, () => {
  it('leads from nothing to an image with the commands it prints, ends without a trace, and finds all of it again', async () => {
    const first = launch();
    await first.says('Darkroom is ready');

    const job = await makeImage(first);
    const image = await fetchImage(first, job.id);

    expect(job.status).toBe('succeeded');
    const { width, height, format } = await sharp(image).metadata();
    expect(job.images).toMatchObject([{ width, height, mime: `image/${format}`, bytes: image.length }]);
    expect({ width, height }).toEqual({ width: 1024, height: 1024 });

    const family = await descendantsOf(first.pid);
    expect(family.length).toBeGreaterThanOrEqual(4);
    expect(await first.stop()).toBe(0);
    expect(family.filter(isAlive)).toEqual([]);

    const second = launch();
    await second.says('Darkroom is ready');

    expect(second.key()).toBe(first.key());
    expect(await getJob(second, job.id)).toMatchObject({ id: job.id, status: 'succeeded' });
    expect(await fetchImage(second, job.id)).toEqual(image);
    for (const name of ['api-key', 'secret']) expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
    expect(await second.stop('SIGINT')).toBe(0);
  });

  it('starts a program again that was killed: the worker, the API, Redis', async () => {
    const launcher = launch();
    await launcher.says('Darkroom is ready');
    const { pid: redis } = JSON.parse(await readFile(join(dataDir, 'redis', 'server.json'), 'utf8')) as { pid: number };

    for (const pid of [await pidOf('worker'), await pidOf('api'), redis]) process.kill(pid, 'SIGKILL');
    for (const name of ['the worker', 'the api', 'Redis']) {
      await launcher.says(`${name} was ended by SIGKILL; starting it again in 0.5 s`);
    }

    const command = launcher
      .command('curl -sS ')
      .replace('curl', 'curl --retry 40 --retry-delay 1 --retry-all-errors -f');
    expect(JSON.parse(await shell(command))).toMatchObject({ status: 'succeeded' });
  });

  it('leaves nothing behind when it is killed itself, and the next start carries on', async () => {
    const first = launch({ DRAIN_SECONDS: '1' });
    await first.says('Darkroom is ready');
    const job = await makeImage(first);
    const family = await descendantsOf(first.pid);
    await first.stop('SIGKILL');

    const second = launch();
    await second.says('Darkroom is ready');

    expect(await getJob(second, job.id)).toMatchObject({ status: 'succeeded' });
    expect(second.output()).toContain('the Redis of the last start, still alive');
    await second.stop();
    await vi.waitFor(() => expect(family.filter(isAlive)).toEqual([]), { timeout: 40_000, interval: 50 });
  });

  it('refuses a data folder that another start is using', async () => {
    const first = launch();
    await first.says('Darkroom is ready');

    const second = launch();

    expect(await second.exited).toBe(1);
    expect(second.output()).toContain(`already runs on this data folder (process ${first.pid})`);
    expect(await makeImage(first)).toMatchObject({ status: 'succeeded' });
  });

  it('says which port to take when the wanted one is in use, and leaves nothing running', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;

    const launcher = launch({ PORT: String(port) });
    const code = await launcher.exited;
    server.close();

    expect(code).toBe(1);
    expect(launcher.output()).toContain(
      `Port ${port} is in use by another program. Take another one: PORT=8080 npm start`,
    );
  });

  it('names every mistake in the environment at once, before anything starts', async () => {
    const launcher = launch({ PORT: 'abc', WORKER_CONCURRENCY: '0', REDIS_URL: 'http://example.test' });

    expect(await launcher.exited).toBe(1);
    for (const name of ['PORT', 'WORKER_CONCURRENCY', 'REDIS_URL']) expect(launcher.output()).toContain(`  ${name} `);
  });
});
