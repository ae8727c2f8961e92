/** What jobs tell the breakers of their places, through the attempts of a worker. */

import { expect, it } from 'vitest';
import { openTestAttempts, runAttempt } from '../support/attempts.ts';
import { TENANT } from '../support/ledger.ts';
import { withChannels } from '../support/several-channels.ts';
import { replyWith } from '../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const WORDS = {
  candidates: [
    { content: { parts: [{ text: 'I would rather talk.' }], role: 'model' }, finishReason: 'STOP', index: 0 },
  ],
};

it('the second answer without an image to the same job is no fault of the channel that gave it', async () => {
  await using cleanup = new AsyncDisposableStack();
  const world = cleanup.use(await openTestAttempts(replyWith(200, WORDS)));
  const channels = ['a', 'b'].map((id, order) => ({ id, order: order + 1, models: { pro: {} } }));
  const deps = await withChannels(world, channels, cleanup);
  const jobs = 5;

  for (let n = 0; n < jobs; n++) {
    const { job } = await world.test.submit({ prompt: `a mug ${n}`, model: PRO, size: '1K' });
    for (const _ of ['a', 'b']) await runAttempt(deps, TENANT, job.id);
    expect((await world.test.read(job.id)).state).toMatchObject({
      status: 'failed',
      attempts: [
        { channel: 'a', error: 'no_image' },
        { channel: 'b', error: 'no_image' },
      ],
    });
  }

  const [a, b] = await deps.breakers.look(['a', 'b'].map((channel) => ({ channel, model: PRO })));
  expect(a).toMatchObject({ breaker: 'open', ends: { no_image: jobs } });
  expect(b).toMatchObject({ breaker: 'closed', ends: { no_image: jobs } });
});
