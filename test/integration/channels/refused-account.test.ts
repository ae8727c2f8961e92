/** What becomes of jobs and chunks when Google refuses a service account its token: no request of theirs was sent. */

import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVertexBatchChannel } from '@darkroom/shared/channels';
import type { Transition } from '@darkroom/shared/domain';
import { systemClock } from '@darkroom/shared/ports';
import { openBucket } from '@darkroom/shared/storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestAttempts, runAttempt } from '../../support/attempts.ts';
import { withChannels } from '../../support/several-channels.ts';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from '../../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const REVOKED = replyWith(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' });
const BUSY = replyWith(503, 'busy');
const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

/** A token endpoint that answers so, and the account that asks it. */
async function anAccount(reply: StubReply): Promise<{ auth: StubProvider; json: string }> {
  const auth = cleanup.use(await startStubProvider(reply));
  const client_email = 'darkroom@studio-1.iam.gserviceaccount.com';
  return { auth, json: JSON.stringify({ client_email, private_key: privateKey, token_uri: `${auth.url}/token` }) };
}

describe('a job', () => {
  /** A channel of that account, and behind it one that answers. */
  async function twoChannels(reply: StubReply) {
    const attempts = cleanup.use(await openTestAttempts());
    const { auth, json } = await anAccount(reply);
    const api = cleanup.use(await startStubProvider(REVOKED));
    const folder = await mkdtemp(join(tmpdir(), 'account-'));
    cleanup.defer(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'account.json');
    await writeFile(file, json);
    const vertex = {
      id: 'vertex',
      kind: 'vertex',
      base_url: api.url,
      project: 'studio-1',
      credentials: { service_account: `file:${file}` },
      models: { pro: {} },
      order: 1,
    };
    const deps = await withChannels(attempts, [vertex, { id: 'other', models: { pro: {} }, order: 2 }], cleanup);
    const told: Transition[] = [];
    const channelTeller = {
      ...deps.channelTeller,
      tell: async (transition: Transition) => {
        told.push(transition);
        return true;
      },
    };
    const run = async (prompt = 'a red mug') => {
      const { job } = await attempts.test.submit({ prompt, model: PRO, size: '1K' });
      await runAttempt({ ...deps, channelTeller }, job.tenant, job.id);
      if ((await attempts.test.read(job.id)).state.status === 'queued')
        await runAttempt({ ...deps, channelTeller }, job.tenant, job.id);
      return (await attempts.test.read(job.id)).state;
    };
    return { auth, api, deps, told, run };
  }

  it('goes to the next channel at once, and the refused one is out, told of, and asked no more', async () => {
    const { auth, api, deps, told, run } = await twoChannels(REVOKED);

    const first = await run();
    const asked = auth.calls.length;
    const second = await run('a blue mug');

    expect(first).toMatchObject({
      status: 'succeeded',
      attempts: [
        {
          channel: 'vertex',
          state: 'rejected',
          error: 'upstream_auth',
          reason: expect.stringContaining('invalid_grant'),
        },
        { channel: 'other', state: 'settled' },
      ],
    });
    expect(first.attempts[0]).not.toHaveProperty('cost');
    expect(second.attempts.map(({ channel }) => channel)).toEqual(['other']);
    expect([auth.calls.length, api.connections]).toEqual([asked, 0]);
    const place = { channel: 'vertex', model: PRO };
    expect((await deps.breakers.stand([place]))[0]).toMatchObject({ out: 'auth' });
    expect(told).toMatchObject([{ to: 'out', wholeChannel: true, place: { channel: 'vertex' } }]);
    const [quota] = await deps.quotas.look([place]);
    const used = Object.fromEntries(quota?.windows.map(({ window, used: many }) => [window, many]) ?? []);
    expect(used).toMatchObject({ images: 0, spend: 0, concurrency: 0 });
  });

  it('goes to the next channel, and the one whose token endpoint is down stays in', async () => {
    const { deps, told, run } = await twoChannels(BUSY);

    const { attempts } = await run();

    expect(attempts).toMatchObject([
      { channel: 'vertex', state: 'rejected', error: 'upstream_unreachable' },
      { channel: 'other', state: 'settled' },
    ]);
    expect((await deps.breakers.stand([{ channel: 'vertex', model: PRO }]))[0]).not.toHaveProperty('out');
    expect(told).toEqual([]);
  });
});

describe('a chunk', () => {
  const { signal } = new AbortController();

  async function aBatchChannel(reply: StubReply) {
    const { json } = await anAccount(reply);
    const api = cleanup.use(await startStubProvider(REVOKED));
    const channel = createVertexBatchChannel({
      id: 'vertex',
      project: 'studio-1',
      credentials: { type: 'service_account', json },
      baseUrl: api.url,
      clock: systemClock,
      bucket: 'gs://studio/darkroom',
      openBucket: (bucket) => openBucket({ bucket, apiEndpoint: api.url }),
    });
    const name = 'batchPredictionJobs/1';
    const file = { path: '/nowhere', bytes: 1, name: 'chunk-1', displayName: 'chunk-1' };
    const fileName = 'gs://studio/darkroom/chunk-1/input.jsonl';
    const steps = [
      cleanup.use(channel).upload(file, signal),
      channel.create({ model: PRO, fileName, displayName: 'chunk-1' }, signal),
      channel.list(0, signal),
      channel.get(name, signal),
      channel.cancel(name, signal),
      channel.download('gs://studio/darkroom/output/1', signal),
      channel.deleteFile(fileName, signal),
    ];
    return { api, ends: await Promise.all(steps) };
  }

  it('of an account that is refused is refused at every step, and certainly not made', async () => {
    const { api, ends } = await aBatchChannel(REVOKED);

    const refused = { type: 'rejected', verdict: { code: 'upstream_auth', retryable: false, channelDown: true } };
    expect(ends).toMatchObject(ends.map(() => refused));
    expect(api.connections).toBe(0);
  });

  it('of an account whose token endpoint is down may go later, and certainly was not made', async () => {
    const { api, ends } = await aBatchChannel(BUSY);

    const unreachable = { type: 'rejected', verdict: { code: 'upstream_unreachable', retryable: true } };
    const [upload, create, list, get, cancel, download, removal] = ends;
    expect([create, list, get, cancel]).toMatchObject([unreachable, unreachable, unreachable, unreachable]);
    const unknown = { type: 'unknown', reason: expect.stringContaining('no access token') };
    expect([upload, download, removal]).toEqual([unknown, unknown, unknown]);
    expect(api.connections).toBe(0);
  });
});
