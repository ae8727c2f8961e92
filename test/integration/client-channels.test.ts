/** `darkroom channels`, `darkroom limits` and `darkroom models`, as a person and as a script run them. */

import { createClient } from '@darkroom/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createProgram } from '../../packages/client/src/cli/program.ts';
import { startApi, type TestApi } from '../support/start-api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

const darkroom = (isTTY: boolean, ...args: string[]) => run(api, isTTY, ...args);

async function run(api: TestApi, isTTY: boolean, ...args: string[]) {
  const [out, err]: [string[], string[]] = [[], []];
  const code = await createProgram({
    env: { DARKROOM_URL: api.url, DARKROOM_API_KEY: api.key },
    stdin: { isTTY: false },
    stdout: { isTTY, write: (text: unknown) => Boolean(out.push(String(text))) },
    stderr: { isTTY: false, write: (text: unknown) => Boolean(err.push(String(text))) },
    signal: new AbortController().signal,
  }).run(args);
  return { code, out: out.join('').trim().split('\n'), err: err.join('') };
}

it('shows a person a row for each model of each channel', async () => {
  const { code, out } = await darkroom(true, 'channels');

  expect(code).toBe(0);
  expect(out[0]).toMatch(/^CHANNEL +KIND +MODEL +HEALTH +UNTIL +CALLS +ERRORS +P50 +P95$/);
  expect(out).toContainEqual(expect.stringMatching(/^gemini +gemini +gemini-3-pro-image +available +- +0 +- +- +-$/));
});

it('gives a script each channel as a line of JSON', async () => {
  const { out } = await darkroom(false, 'channels');

  expect(out.map((line) => JSON.parse(line).id)).toEqual(['gemini']);
});

it('holds a channel back and takes that back, by the name of the word', async () => {
  const held = await darkroom(true, 'channels', 'open', 'gemini');
  const back = await darkroom(true, 'channels', 'resume', 'gemini');

  expect(held.out[1]).toContain('out (held back)');
  expect(back.out[1]).toContain('available');
});

it('tells of a channel that there is not', async () => {
  const { code, err } = await darkroom(true, 'channels', 'drain', 'gemmini');

  expect([code, err]).toEqual([
    2,
    'There is no channel gemmini; did you mean gemini?\nGET /v1/channels lists all of them.\n',
  ]);
});

it('tells who is bounded by what, a person in words and a script as it is', async () => {
  const tenants = { default: { weight: 2, concurrency: 20 } };
  const keys: Record<string, object> = {};
  await using bounded = await startApi({ replace: (deps) => ({ channels: { ...deps.channels, tenants, keys } }) });
  const { keyId = '' } = (await bounded.deps.keys.authenticate(bounded.key)) ?? {};
  keys[keyId] = { submissionsPerMinute: 60 };

  const [seen, read] = [await run(bounded, true, 'limits'), await run(bounded, false, 'limits')];

  expect(seen.out.slice(-2)).toEqual([
    'default: weight 2, at most 20 calls of a model at once',
    `${keyId}: at most 60 submissions a minute`,
  ]);
  expect(JSON.parse(read.out.at(-1) ?? '')).toMatchObject({ own: { tenant: { weight: 2 }, key: { id: keyId } } });
  expect((await darkroom(true, 'limits')).out.join()).not.toContain('at most');
});

it('shows what is used, and ends a pause', async () => {
  const place = { channel: 'gemini', model: 'gemini-3-pro-image' };
  const client = createClient({ url: api.url, apiKey: api.key });
  expect((await darkroom(true, 'limits')).out[0]).toBe('Nothing is used, and no limit is known yet.');
  await api.deps.quotas.learn(place, { type: 'pause', ms: 3_600_000, reason: 'parked', why: 'a test' });

  expect((await darkroom(true, 'limits')).out[1]).toMatch(/^gemini +gemini-3-pro-image +paused \(parked\) .*Z$/);
  expect((await darkroom(true, 'limits', 'resume', 'pro')).out).toEqual([
    'gemini-3-pro-image  was paused, and goes on  0 jobs in line',
  ]);
  expect(JSON.parse((await darkroom(false, 'limits', 'resume', 'pro')).out[0] ?? '')).toMatchObject({ resumed: false });
  expect((await client.listLimits()).data.every(({ until }) => until === undefined)).toBe(true);
  expect((await client.listModels()).data[0]).toMatchObject({ health: 'available' });
});

it('shows a person a row for each model, and a script each model as a line of JSON', async () => {
  const [seen, read] = [await darkroom(true, 'models'), await darkroom(false, 'models')];

  expect(seen.out[0]).toMatch(/^MODEL +ALIAS +SIZES +1K +NOW +UNTIL +CHANNELS +ENDS$/);
  expect(seen.out).toContainEqual(
    expect.stringMatching(/^gemini-3-pro-image +pro +1K 2K 4K +\$0\.1344 +available +- +gemini +-$/),
  );
  expect(read.out.map((line) => JSON.parse(line).id)).toContain('gemini-3-pro-image');
});

it('tells of a model that there is not', async () => {
  const { code, err } = await darkroom(true, 'limits', 'resume', 'prp');

  expect(code).toBe(2);
  expect(err).toContain('There is no such model.');
});
