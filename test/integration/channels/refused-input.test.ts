/** What one job points to, and the provider may not read, costs nobody else the channel. */

import type { Transition } from '@darkroom/shared/domain';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openTestAttempts, runAttempt } from '../../support/attempts.ts';
import { withChannels } from '../../support/several-channels.ts';
import { replyWith, startStubProvider } from '../../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const MODELS = { pro: {} };

let cleanup: AsyncDisposableStack;
beforeEach(() => {
  cleanup = new AsyncDisposableStack();
});
afterEach(() => cleanup.disposeAsync());

it.each([
  [403, 'PERMISSION_DENIED', 'x@y does not have storage.objects.get access to the Google Cloud Storage object.'],
  [404, 'NOT_FOUND', 'No such object: mugs/mug.png'],
  [400, 'FAILED_PRECONDITION', 'The File abc is not in an ACTIVE state and usage is not allowed.'],
])(
  'a %i %s about an object sends its job elsewhere once each, and no channel is left alone for it',
  async (code, status, message) => {
    const attempts = cleanup.use(await openTestAttempts());
    const stub = cleanup.use(await startStubProvider(replyWith(code, { error: { code, status, message } })));
    const vertex = {
      kind: 'vertex',
      base_url: stub.url,
      project: 'studio-1',
      credentials: { access_token: 'env:KEY' },
      models: MODELS,
    };
    const others = [1, 2].map((order) => ({ ...vertex, id: `vertex-${order}`, order }));
    const deps = await withChannels(attempts, others, cleanup);
    const told: Transition[] = [];
    const tell = async (transition: Transition) => {
      told.push(transition);
      return true;
    };
    const { job } = await attempts.test.submit({ prompt: 'a red mug', model: PRO, size: '1K' });

    const run = () => runAttempt({ ...deps, channelTeller: { ...deps.channelTeller, tell } }, job.tenant, job.id);
    await run();
    await run();

    const { state } = await attempts.test.read(job.id);
    expect(state).toMatchObject({
      status: 'failed',
      error: { code: 'upstream_rejected', upstream: { channel: 'vertex-2', http: code, message } },
      attempts: [
        { channel: 'vertex-1', state: 'rejected' },
        { channel: 'vertex-2', state: 'rejected' },
      ],
    });
    expect(stub.calls).toHaveLength(2);
    expect(told).toEqual([]);
    for (const standing of await deps.breakers.stand(others.map(({ id }) => ({ channel: id, model: PRO })))) {
      expect(standing).not.toHaveProperty('out');
      expect(standing.breaker).toBe('closed');
    }
  },
);
