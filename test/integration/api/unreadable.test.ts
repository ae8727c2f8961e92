import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { succeedJob } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

const SECRET = 'a mug nobody may read of';

let api: TestApi;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api[Symbol.asyncDispose]());

let n = 0;
const submit = async (): Promise<string> =>
  (await api.call('POST', '/v1/jobs', { body: { prompt: `mug ${(n += 1)}` } })).json.id;
const listed = async () => (await api.call('GET', '/v1/jobs')).json.data.map(({ id }: { id: string }) => id);
const keyOf = (id: string) => `${api.prefix}{t:default}:job:${id}`;
const figure = async () =>
  Number(/^darkroom_unreadable_records (\d+)$/m.exec((await api.call('GET', '/metrics')).text)?.[1]);

/** What may lie in a record's field `t`, and what is said of it. */
const GARBAGE: [string, string | Buffer, string][] = [
  ['a cut state', `{"status":"queued","text":"${SECRET}`, 'it is no JSON'],
  ['another value', '42', 'its state is none'],
  ['nothing of ours', Buffer.from([1, 2, 3, 4]), expect.any(String)],
  ['packed garbage', Buffer.concat([Buffer.of(1), deflateRawSync(SECRET)]), 'it is no JSON'],
  ['a form of a later version', Buffer.of(9, 1, 1), expect.stringContaining('a newer version')],
];

it.each(GARBAGE)('skips a record that holds %s, and says so with its id', async (_, value, reason) => {
  const [before, spoilt, after] = [await submit(), await submit(), await submit()];
  const state = (await api.redis.hgetBuffer(keyOf(spoilt), 't')) ?? '';
  await api.redis.hset(keyOf(spoilt), 't', value);
  api.lines.length = 0;

  expect((await listed()).filter((id: string) => [before, spoilt, after].includes(id))).toEqual([after, before]);
  const lines = () => api.lines.filter(({ event }) => event === 'record.unreadable');
  expect(lines()).toEqual([{ level: 'error', event: 'record.unreadable', tenant: 'default', job: spoilt, reason }]);

  api.lines.length = 0;
  expect(await figure()).toBe(1);
  expect(lines()).toMatchObject([{ job: spoilt }]);

  const { status, json } = await api.call('GET', `/v1/jobs/${spoilt}`);
  expect(status).toBe(500);
  expect(json).toMatchObject({ code: 'record_unreadable', retryable: false, fix: expect.stringContaining('operator') });
  expect((await api.call('POST', `/v1/jobs/${spoilt}/cancel`)).status).toBe(500);
  expect(JSON.stringify(api.lines)).not.toContain(SECRET);

  await api.redis.hset(keyOf(spoilt), 't', state);
  expect((await api.call('GET', `/v1/jobs/${spoilt}`)).json).toMatchObject({ status: 'queued' });
  expect(await figure()).toBe(0);
});

it('gives a leader’s end to the other followers', async () => {
  const ids: string[] = [];
  for (let twin = 0; twin < 3; twin++)
    ids.push((await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug of three' } })).json.id);
  const [leader = '', spoilt = '', follower = ''] = ids;
  await api.redis.hset(keyOf(spoilt), 't', '{');

  await succeedJob(api.deps, leader);

  expect((await api.call('GET', `/v1/jobs/${follower}`)).json).toMatchObject({ status: 'succeeded' });
  expect(await api.deps.ledger.dueHandoffs('default', 10)).toEqual([leader]);
});
