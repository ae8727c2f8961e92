/** `npm run doctor` and `GET /v1/doctor`, on a real Redis, a folder and the emulator. */

import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@darkroom/emulator';
import type { DoctorView } from '@darkroom/shared/schemas';
import { examine, ok } from '@darkroom/shared/usecases';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiEnv } from '../../apps/api/src/config.ts';
import { runDoctor } from '../../apps/api/src/doctor/run.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';
import { testRedisUrl } from '../support/redis.ts';
import { startApi } from '../support/start-api.ts';

const NOW = Date.parse('2027-02-01T12:00:00Z');
const KEYS = { GOOD: 'good-key-of-mine', BAD: 'invalid-key' };

let emulator: Emulator;
let cwd: string;

beforeAll(async () => {
  emulator = await startEmulator({ settings: { render: 'fast' } });
  cwd = await mkdtemp(join(tmpdir(), 'doctor-'));
  await mkdir(join(cwd, 'objects'));
});
afterAll(async () => {
  await emulator?.close();
  await rm(cwd, { recursive: true, force: true });
});

type Examined = { code: number; text: string };

async function examined(
  env: Record<string, string>,
  { channels, args = [], now = Date.now }: { channels?: string; args?: string[]; now?: () => number } = {},
): Promise<Examined> {
  const name = `${randomUUID()}.yaml`;
  if (channels) await writeFile(join(cwd, name), channels);
  let text = '';
  const code = await runDoctor({
    env: { ...env, ...(channels && { DARKROOM_CONFIG: name }) },
    cwd,
    args,
    schemas: [ApiEnv, WorkerEnv],
    write: (part) => {
      text += part;
    },
    clock: { now },
  });
  return { code, text: text.replaceAll(name, 'channels.yaml') };
}

async function report(env: Record<string, string>, options: Parameters<typeof examined>[1]): Promise<DoctorView> {
  return JSON.parse((await examined(env, { ...options, args: ['--json'] })).text);
}

const fit = () => ({
  ...KEYS,
  REDIS_URL: testRedisUrl(),
  REDIS_PREFIX: `${randomUUID()}:`,
  DARKROOM_SECRET: 's'.repeat(40),
  STORAGE_URL: 'file:objects',
});

const channel = (id: string, rest: string) =>
  `  - { id: ${id}, kind: gemini, credentials: { api_key: env:GOOD }, base_url: ${emulator.url}, ${rest} }\n`;

/** What is another on each machine and each day. */
function withoutChance(text: string): string {
  return text
    .replace(process.versions.node, 'NODE')
    .replace(/\d+ MB free/, '… MB free')
    .replaceAll(/:\d{5}\b/g, ':PORT')
    .replace(/clock is \d+ s \w+/, 'clock is APART');
}

const BAD_SET_UP = `Setup
  ok       Node             NODE
  problem  environment      PORT must be a whole number from 0 to 65535
                            → correct it; the README lists what may be set
  warning  DARKROOM_SECRET  not set: only npm start makes one, for this machine alone
                            → set the same 32 or more characters for all programs: openssl rand -hex 32
  problem  WEBHOOK_HTTP     true on an API that others reach: callers can lead it to this machine itself
                            → unset it

Redis
  problem  server           Redis does not answer: connect ECONNREFUSED 127.0.0.1:1
                            → see that Redis runs where REDIS_URL says, and takes writes

Storage
  ok       store            the folder is not there yet: it is made when the programs start

Disk
  ok       spool            … MB free, of up to 64 MB (SPOOL_MAX_MB)

Channels
  ok       file             channels.yaml is valid

Channel refused (gemini)
  problem  credentials      refused (400): API key not valid. Please pass a valid API key.
                            → put a valid key where channel refused names one
  ok       limits           none configured for any model: they are learnt from refusals

Channel unknown (gemini)
  ok       credentials      accepted
  problem  models           the provider does not know gemini-3-pro-image (gemini-9)
                            → correct its id, or take it from models
  ok       limits           none configured for any model: they are learnt from refusals

Channel old (gemini)
  ok       credentials      accepted
  warning  dates            gemini-3.1-flash-image was to end on 2026-10-29
                            → move to gemini-nano-banana-2.1
  warning  dates            gemini-2.5-flash-image ends on 2027-03-15, in 42 days
                            → move to gemini-nano-banana-2.1
  warning  prices           gemini-2.5-flash-image in 1K is priced at $13.4, the catalogue says $0.0387
                            → check the price in the channels file
  ok       limits           none configured for any model: they are learnt from refusals

Channel nowhere (openai)
  problem  credentials      cannot be reached: connect ECONNREFUSED 127.0.0.1:1
                            → check its base_url, and the way out of this machine
  ok       limits           none configured for any model: they are learnt from refusals

Channel keyless (gemini)
  problem  credentials      channels.yaml:7: channels[4].credentials.api_key names the variable NOT_SET, which is not set: set it for this program
                            → set what it names, for the worker
  ok       limits           none configured for any model: they are learnt from refusals

Clocks of providers
  problem  127.0.0.1:PORT  this machine's clock is APART
                            → let a time service (NTP) set the clock

8 problems, 4 warnings, 11 ok
`;

describe('npm run doctor', () => {
  it('with nothing configured says what npm start would do, and makes nothing', async () => {
    const before = await readdir(cwd);

    const { code, text } = await examined({});

    expect(code).toBe(0);
    expect(text).toContain('npm start brings its own Redis');
    expect(text).toContain('npm start runs the emulator');
    expect(await readdir(cwd)).toEqual(before);
  });

  it('finds nothing wrong with Redis, a folder and channels that are good, and leaves nothing behind', async () => {
    const channels = `channels:
${channel('studio', 'models: { pro: { limits: { rpm: 600 } } }')}
  - { id: router, kind: openrouter, credentials: { api_key: env:GOOD }, base_url: ${emulator.url}/api/v1, models: { pro: {} } }
`;

    const { status, findings } = await report(fit(), { channels });

    expect(findings.filter(({ level, group }) => level === 'problem' || group !== 'Redis')).not.toContainEqual(
      expect.objectContaining({ level: expect.stringMatching('warning|problem') }),
    );
    expect(status).not.toBe('problem');
    const names = findings.map(({ group, name }) => `${group}: ${name}`);
    expect(names).toEqual(
      expect.arrayContaining([
        'Redis: latency',
        'Redis: clock',
        'Storage: read back',
        'Storage: delete',
        'Channel studio (gemini): credentials',
        'Channel router (openrouter): credentials',
        `Clocks of providers: ${new URL(emulator.url).host}`,
      ]),
    );
    const left = await readdir(join(cwd, 'objects'), { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
    expect(emulator.control.bill().cost_micros).toBe(0);
  });

  it('prints a bad set-up so that each mistake can be mended', async () => {
    const channels = `channels:
  - { id: refused, kind: gemini, credentials: { api_key: env:BAD }, base_url: ${emulator.url}, models: { pro: {} } }
${channel('unknown', 'models: { pro: { id: gemini-9 } }')}${channel('old', 'models: { gemini-3.1-flash-image: {}, gemini-2.5-flash-image: { price: { per_image: { 1K: "13.40" } } } }')}
  - { id: nowhere, kind: openai, credentials: { api_key: env:GOOD }, base_url: "http://127.0.0.1:1", models: { pro: { id: x } } }
  - { id: keyless, kind: gemini, credentials: { api_key: env:NOT_SET }, base_url: ${emulator.url}, models: { pro: {} } }
`;
    const env = {
      ...KEYS,
      REDIS_URL: 'redis://127.0.0.1:1',
      HOST: '0.0.0.0',
      WEBHOOK_HTTP: 'true',
      PORT: '99999',
      SPOOL_MAX_MB: '64',
    };

    const { code, text } = await examined(env, { channels, now: () => NOW });

    expect(code).toBe(1);
    expect(withoutChance(text)).toBe(BAD_SET_UP);
  });

  it('names every mistake in the channels file with its line', async () => {
    const channels = 'channels:\n  - { id: a, kind: gemni, credentials: { api_key: env:GOOD }, models: { pro: {} } }\n';

    const { findings } = await report(fit(), { channels });

    expect(findings.filter(({ group }) => group === 'Channels')).toEqual([
      {
        group: 'Channels',
        name: 'file',
        level: 'problem',
        what: expect.stringMatching(/\.yaml:2: channels\[0\]\.kind must be one of .*did you mean gemini\?$/),
        fix: expect.any(String),
      },
    ]);
  });

  it('names a channels file that nobody looks for', async () => {
    const file = join(cwd, 'darkroom.config.yml');
    await writeFile(file, 'channels: []\n');

    const { findings } = await report({}, {});
    await rm(file);

    const [found] = findings.filter(({ group }) => group === 'Channels');
    expect(found).toMatchObject({ level: 'problem', what: expect.stringContaining('call it darkroom.config.yaml') });
  });

  it('tells of a clock that is an hour off, by Redis and by the provider', async () => {
    const { findings } = await report(fit(), {
      channels: `channels:\n${channel('a', 'models: { pro: {} }')}`,
      now: () => Date.now() + 3_600_000,
    });

    const clocks = findings.filter(({ what }) => /this machine's clock is 3[56]\d\d s ahead/.test(what));
    expect(clocks.map(({ group, level }) => [group, level])).toEqual([
      ['Redis', 'problem'],
      ['Clocks of providers', 'problem'],
    ]);
  });

  it('finds a folder that takes no files', async () => {
    await writeFile(join(cwd, 'a-file'), '');

    const { findings } = await report({ ...fit(), STORAGE_URL: 'file:a-file' }, {});

    expect(findings.find(({ group }) => group === 'Storage')).toMatchObject({ name: 'write', level: 'problem' });
  });

  it('shows no secret, as text or as JSON', async () => {
    const env = { ...fit(), REDIS_URL: 'redis://:hidden-password@127.0.0.1:1' };
    const channels = `channels:\n${channel('a', 'models: { pro: {} }')}`;

    const texts = [await examined(env, { channels }), await examined(env, { channels, args: ['--json'] })];

    for (const { text } of texts) expect(text).not.toMatch(/hidden-password|good-key-of-mine|invalid-key|s{40}/);
  });

  it('does not show a REDIS_URL that is none, which may have a password in it', async () => {
    const { text } = await examined({ ...fit(), REDIS_URL: 'redis//:hidden-password@127.0.0.1:1' });

    expect(text).toContain('problem  server');
    expect(text).not.toContain('hidden-password');
  });

  it('warns of an id that the provider has shut down', async () => {
    const channels = `channels:\n${channel('a', 'models: { pro: { id: gemini-3-pro-image-preview } }')}`;

    const { findings } = await report(fit(), { channels });

    expect(findings.find(({ name }) => name === 'dates')).toMatchObject({
      level: 'warning',
      fix: 'use the id gemini-3-pro-image',
    });
  });

  it('knows no other argument than --json', async () => {
    expect(await examined({}, { args: ['--jsno'] })).toEqual({ code: 2, text: 'usage: npm run doctor [-- --json]\n' });
  });
});

describe('an examination', () => {
  it('gives up a check that hangs, tells it to stop, and keeps the others', async () => {
    let stopped = false;
    const hangs = (signal: AbortSignal) =>
      new Promise<never>(() => signal.addEventListener('abort', () => void (stopped = true)));

    const { status, findings } = await examine(
      [
        { group: 'A', name: 'hangs', run: hangs },
        { group: 'B', name: 'answers', run: async () => [ok('well')] },
      ],
      { timeoutMs: 20 },
    );

    expect({ status, stopped }).toEqual({ status: 'problem', stopped: true });
    expect(findings.map(({ name, level }) => [name, level])).toEqual([
      ['hangs', 'problem'],
      ['answers', 'ok'],
    ]);
  });
});

describe('GET /v1/doctor', () => {
  it('answers a key with the scope admin, and no other', async () => {
    await using api = await startApi();
    const plain = await api.addKey('acme');

    const [mine, others, nobodys] = await Promise.all([
      api.call('GET', '/v1/doctor'),
      api.call('GET', '/v1/doctor', { key: plain }),
      api.call('GET', '/v1/doctor', { key: '' }),
    ]);

    expect([mine.status, others.status, nobodys.status]).toEqual([200, 403, 401]);
    const { findings }: DoctorView = mine.json;
    expect(findings.find(({ name }) => name === 'read back')).toMatchObject({ group: 'Storage', level: 'ok' });
    expect(findings.find(({ group }) => group === 'Channel gemini (gemini)')).toMatchObject({ level: 'warning' });
    expect(mine.text).not.toContain(api.key);
  });
});
