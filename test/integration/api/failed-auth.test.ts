import { describe, expect, it } from 'vitest';
import { startApi, type TestApi } from '../../support/start-api.ts';

const WRONG = 'dk_test_0000000000000000000000000000000000';

/** An API whose clock stands still until it is told otherwise. */
async function startAt(max: number): Promise<{ api: TestApi; advance: (ms: number) => void }> {
  let ahead = 0;
  const at = Date.now();
  const api = await startApi({
    env: { AUTH_FAILURES_MAX: String(max) },
    replace: () => ({ clock: { now: () => at + ahead } }),
  });
  return { api, advance: (ms) => void (ahead += ms) };
}

const limits = ({ headers }: { headers: Headers }) => [headers.get('ratelimit-policy'), headers.get('ratelimit')];
const POLICY = '"failed-auth";q=3;w=60';

describe('requests without a good key', () => {
  it('are refused with 429 after so many in a minute, and looked up again after it', async () => {
    const { api, advance } = await startAt(3);
    await using _ = api;

    const failed = [
      await api.call('GET', '/v1/jobs', { key: '' }),
      await api.call('GET', '/v1/models', { key: WRONG }),
      await api.call('GET', '/metrics', { key: '', headers: { 'x-api-key': WRONG } }),
    ];
    advance(10_500);
    const refused = await api.call('GET', '/v1/jobs', { key: WRONG });
    advance(49_500);
    const after = await api.call('GET', '/v1/jobs', { key: WRONG });

    expect(failed.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(failed.map(limits)).toEqual([2, 1, 0].map((left) => [POLICY, `"failed-auth";r=${left};t=60`]));
    expect([refused.status, refused.json.code, refused.json.retryable]).toEqual([429, 'rate_limited', true]);
    expect([refused.headers.get('retry-after'), ...limits(refused)]).toEqual(['50', POLICY, '"failed-auth";r=0;t=50']);
    expect(after.status).toBe(401);
  });

  it('never hold up a key that has called here before', async () => {
    const { api } = await startAt(1);
    await using _ = api;
    await api.call('GET', '/v1/jobs');
    const stranger = await api.addKey('stranger');

    const statuses = [
      await api.call('GET', '/v1/jobs', { key: WRONG }),
      await api.call('GET', '/v1/jobs', { key: WRONG }),
      await api.call('GET', '/v1/jobs'),
      await api.call('POST', '/v1/jobs', { body: { prompt: 'a mug' } }),
      await api.call('GET', '/v1/jobs', { key: stranger }),
    ].map(({ status }) => status);

    expect(statuses).toEqual([401, 429, 200, 202, 429]);
  });

  it('ask Redis no more once they are too many', async () => {
    let asked = 0;
    await using api = await startApi({
      env: { AUTH_FAILURES_MAX: '2' },
      replace: ({ keys }) => ({
        keys: {
          ...keys,
          authenticate: (secret) => {
            asked += 1;
            return keys.authenticate(secret);
          },
        },
      }),
    });

    for (let n = 0; n < 10; n++) await api.call('GET', '/v1/jobs', { key: WRONG });

    expect(asked).toBe(2);
  });

  it('leave routes that need no key alone', async () => {
    await using api = await startApi({ env: { AUTH_FAILURES_MAX: '1' } });
    for (let n = 0; n < 3; n++) await api.call('GET', '/v1/jobs', { key: '' });

    const open = await api.call('GET', '/livez', { key: '' });

    expect([open.status, ...limits(open)]).toEqual([200, null, null]);
  });
});
