import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks, type TestWebhooks } from '../../support/webhook-lane.ts';
import { type Sink, startSink, verified } from '../../support/webhook-sink.ts';

let sink: Sink;
let test: TestWebhooks;
beforeEach(async () => {
  sink = await startSink();
  test = await openTestWebhooks();
});
afterEach(async () => {
  await test[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
});

describe('an event', () => {
  it('reaches an endpoint once, signed, with the job as it is then', async () => {
    const { secret } = await test.register(sink.url('/hook'));
    await test.admit('job_a');

    await test.settle();

    const [one, ...others] = sink.at('/hook');
    expect(others).toEqual([]);
    expect(one?.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'darkroom' });
    expect(one && verified(secret, one)).toMatchObject({ type: 'job.queued', data: { id: 'job_a', status: 'queued' } });
  });
});
