import { cancel, type DeliveryStatus } from '@darkroom/shared/domain';
import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { expect, it } from 'vitest';
import { TENANT } from '../../support/ledger.ts';
import { openTestWebhooks } from '../../support/webhook-lane.ts';
import { startSink, verified } from '../../support/webhook-sink.ts';

const EVENTS = 60;

it('a receiver that is down for three hours misses nothing of what happened before, in and after them', {
  timeout: 30_000,
}, async () => {
  await using sink = await startSink();
  await using test = await openTestWebhooks();
  const { id, secret } = await test.register(sink.url('/hook'), { events: ['job.canceled'] });
  const other = await test.register(sink.url('/other'), { events: ['job.canceled'] });
  await test.register(sink.url('/stranger'), { tenant: 'stranger' });
  let n = 0;
  const happen = async () => {
    for (let end = n + EVENTS / 3; n < end; n++)
      await test.write(cancel(await test.admit(`job_${n}`), test.clock.now()));
    await test.settle();
  };
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += MINUTE) {
      test.clock.advance(MINUTE);
      await test.settle();
    }
  };
  const taken = new Set<string>();
  let isUp = true;
  sink.answer('/hook', (res, { headers }) => {
    if (isUp) taken.add(String(headers['webhook-id']));
    res.writeHead(isUp ? 200 : 503).end();
  });

  await happen();
  isUp = false;
  await happen();
  await pass(3 * HOUR);
  const inOutage = sink.at('/hook').length;
  isUp = true;
  await happen();
  await pass(6 * HOUR);

  expect(taken.size).toBe(EVENTS);
  for (const one of sink.at('/hook')) expect(() => verified(secret, one)).not.toThrow();
  // Twenty deliveries would have been tried four times each; the receiver as a whole was asked instead.
  expect(inOutage).toBeLessThan(EVENTS / 3 + 60);
  expect(sink.at('/other')).toHaveLength(EVENTS);
  expect(sink.at('/stranger')).toEqual([]);
  const ended = (status: DeliveryStatus) => test.deps.deliveries.list(TENANT, id, { status, limit: 1_000 });
  expect(await ended('dead')).toEqual([]);
  expect(await ended('pending')).toEqual([]);
  expect(await test.deps.endpoints.health(TENANT, [id, other.id])).toEqual([
    { failures: 0, waiting: 0 },
    { failures: 0, waiting: 0 },
  ]);
});
