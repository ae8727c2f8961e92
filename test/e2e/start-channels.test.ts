/** The example of several channels, as the README says to try it: from its files, on a port of the test. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChannelList, EventList, JobView } from '@darkroom/shared/schemas';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { z } from 'zod';
import { type Launcher, launchStart } from '../support/launch-start.ts';

const ROOT = join(import.meta.dirname, '../..');
const EXAMPLE = 'examples/channels/emulator';
const PORT = '8090';

let folder: string;
let launcher: Launcher | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-channels-'));
});
afterEach(async () => {
  await launcher?.stop();
  await rm(folder, { recursive: true, force: true });
});

const read = (path: string) => readFile(join(ROOT, path), 'utf8');

async function freePort(): Promise<string> {
  const server = createServer();
  const port = await new Promise<string>((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(String(typeof address === 'object' ? address?.port : ''));
    }),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** What `env $(cat …)` sets, the emulator moved to a free port. */
async function exampleEnv(): Promise<Record<string, string>> {
  const lines = (await read(`${EXAMPLE}.env`)).trim().split('\n');
  const env = Object.fromEntries(lines.map((line) => [line.split('=')[0] ?? '', line.slice(line.indexOf('=') + 1)]));
  expect(env).toMatchObject({ DARKROOM_CONFIG: `${EXAMPLE}.yaml`, EMULATOR_PORT: PORT });
  const port = await freePort();
  const file = join(folder, 'channels.yaml');
  await writeFile(file, (await read(`${EXAMPLE}.yaml`)).replaceAll(`:${PORT}`, `:${port}`));
  return { ...env, DARKROOM_CONFIG: file, EMULATOR_PORT: port };
}

async function call<T>({ url, key }: Launcher, path: string, body?: object): Promise<T> {
  const response = await fetch(`${url()}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${key()}`, 'content-type': 'application/json', prefer: 'wait=60' },
    ...(body && { body: JSON.stringify(body) }),
  });
  return (await response.json()) as T;
}

it('is made by three channels one after the other, each within its limits, and the operator is told of a used day', {
  timeout: 120_000,
}, async () => {
  expect(await read('README.md')).toContain(`env $(cat ${EXAMPLE}.env) npm start`);
  const started = launchStart(join(folder, 'data'), await exampleEnv());
  launcher = started;
  await started.says('Darkroom is ready');

  const channels: string[] = [];
  for (let n = 1; n <= 6; n++) {
    const job = await call<JobView>(started, '/v1/jobs', { prompt: `mug ${n}`, model: 'pro', max_cost: '1' });
    expect(job.status).toBe('succeeded');
    channels.push(...job.attempts.map(({ channel }) => channel));
  }
  const { data } = await call<z.output<typeof ChannelList>>(started, '/v1/channels');

  expect(channels).toEqual(['alpha', 'alpha', 'beta', 'beta', 'beta', 'gamma']);
  expect(data.map(({ id, models }) => [id, models[0]?.health])).toEqual([
    ['alpha', 'parked'],
    ['beta', expect.any(String)],
    ['gamma', 'available'],
  ]);
  const told = () => call<z.output<typeof EventList>>(started, '/v1/events?type=quota.parked');
  await vi.waitFor(async () => expect((await told()).data).toHaveLength(1), { timeout: 20_000, interval: 100 });
  expect((await told()).data[0]?.data).toMatchObject({ alert: 'quota_parked', channel: 'alpha' });
});
