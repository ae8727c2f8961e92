/** Two projects of the Gemini API and one of Vertex carry one batch side by side, by the real channels. */

import { type Emulator, type EmulatorOptions, startEmulator } from '@darkroom/emulator';
import { createGeminiBatchChannel, createVertexBatchChannel } from '@darkroom/shared/channels';
import type { BatchChannel } from '@darkroom/shared/ports';
import { openBucket } from '@darkroom/shared/storage';
import { aChannel } from '@darkroom/shared/testing/channels';
import { HOUR, MINUTE } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BatchDeps } from '../../../apps/worker/src/batch/deps.ts';
import { collectOnce, submitOnce } from '../../../apps/worker/src/batch/lane.ts';
import { planOnce } from '../../../apps/worker/src/batch/planner.ts';
import { createPoller } from '../../../apps/worker/src/batch/poller.ts';
import { type GcsEmulator, startGcsEmulator } from '../../support/gcs-emulator/index.ts';
import { dyingAt, openLane, type TestLane } from './lane.ts';

const JOBS = 12;

let cleanup: AsyncDisposableStack;
let lane: TestLane;
let gcs: GcsEmulator;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  lane = cleanup.use(await openLane());
  gcs = await startGcsEmulator({ buckets: ['studio'] });
  cleanup.defer(() => gcs.close());
});

afterEach(() => cleanup.disposeAsync());

async function threeProjects(faults: EmulatorOptions['faults'] = []): Promise<Emulator> {
  const settings = {
    clock_scale: 0,
    render: 'fast',
    longest_side: 32,
    signature_bytes: 64,
    quotas: { project: 'key_prefix' },
    vertex: { gcs_endpoint: gcs.url },
  } as const;
  const emulator = cleanup.use(await startEmulator({ settings, faults }));
  const baseUrl = emulator.url;
  const gemini = (id: string) =>
    cleanup.use(createGeminiBatchChannel({ id, apiKey: `${id}.key`, baseUrl, apiVersion: 'v1beta' }));
  const vertex = cleanup.use(
    createVertexBatchChannel({
      id: 'three',
      project: 'three',
      credentials: { type: 'access_token', read: () => 'three.token' },
      baseUrl,
      clock: lane.test.clock,
      bucket: 'gs://studio/night',
      openBucket: (bucket) => openBucket({ bucket, apiEndpoint: gcs.url }),
    }),
  );
  const slots = new Map([
    ['one', 2],
    ['two', 3],
    ['three', 1],
  ]);
  const account = (channel: BatchChannel) => ({
    spec: aChannel({ id: channel.id }),
    channel,
    slots: slots.get(channel.id) ?? 0,
    enqueuedTokens: 1_000,
  });
  lane.deps.accounts = new Map([gemini('one'), gemini('two'), vertex].map((one) => [one.id, account(one)]));
  lane.deps.plan = { ...lane.deps.plan, limits: { ...lane.deps.plan.limits, lines: 2 } };
  return emulator;
}

async function bringHome(emulator: Emulator, rounds = 4): Promise<void> {
  const poller = createPoller(lane.deps);
  for (let round = 0; round < rounds; round++) {
    await lane.send();
    emulator.control.advance(HOUR);
    lane.test.clock.advance(HOUR);
    await poller.once();
    await collectOnce(lane.deps);
    await lane.deps.outbox.flush();
  }
}

/** Chunks that were made in each project. */
async function made(): Promise<Record<string, number>> {
  const counted: Record<string, number> = {};
  for (const { channel, providerName } of await lane.chunks())
    if (providerName) counted[channel] = (counted[channel] ?? 0) + 1;
  return counted;
}

it('each within its own slots, and nothing stays in files or bucket', async () => {
  const emulator = await threeProjects();
  await lane.submit(JOBS);

  await lane.send();
  expect(await made()).toEqual({ one: 2, two: 3, three: 1 });
  await bringHome(emulator, 1);

  expect(await lane.statuses()).toEqual({ succeeded: JOBS });
  const bill = emulator.control.bill();
  expect(bill.by_project).toMatchObject({ one: { images: 4 }, two: { images: 6 }, three: { images: 2 } });
  expect(await lane.totals()).toMatchObject({ settled: JOBS, inDoubt: 0, actualCost: bill.cost_micros });
  expect(await openBucket({ bucket: 'studio', apiEndpoint: gcs.url }).list('')).toEqual([]);
  const left = emulator.control.journal().entries.filter(({ route }) => route === 'delete_file');
  expect(left).toHaveLength(10);
});

it('and those of one that takes none are made by the others', async () => {
  const refusing = { match: { route: 'create_batch', project: 'two' }, fault: { kind: 'quota_help_only' } } as const;
  const emulator = await threeProjects([refusing]);
  await lane.submit(JOBS);

  await bringHome(emulator, 6);

  expect(await lane.statuses()).toEqual({ succeeded: JOBS });
  expect(await made()).not.toHaveProperty('two');
  const asked = emulator.control
    .journal()
    .entries.filter(({ route, project }) => route === 'create_batch' && project === 'two');
  expect(asked.length).toBeLessThan(4);
  expect(await lane.totals()).toMatchObject({ inDoubt: 0, actualCost: emulator.control.bill().cost_micros });
});

const POINTS = [
  'chunk.uploaded',
  'chunk.intended',
  'chunk.created',
  'chunk.downloaded',
  'chunk.line_settled',
  'chunk.files_deleted',
] as const;

it.each(POINTS)('and a worker that dies at %s has nothing made twice anywhere', async (point) => {
  const emulator = await threeProjects();
  await lane.submit(JOBS);
  // Each project has its turn to be the one.
  let deaths = 0;
  for (const nth of [1, 2, 3]) {
    const dying = dyingAt(lane.unheld(), point, nth);
    await life(emulator, dying.deps).catch(() => undefined);
    if (dying.died()) deaths++;
  }

  for (let n = 0; n < 8; n++) await life(emulator, lane.unheld());
  await lane.deps.outbox.flush();

  expect(deaths).toBeGreaterThan(0);
  expect(await lane.statuses()).toEqual({ succeeded: JOBS });
  expect(await lane.batches.open()).toEqual([]);
  const bill = emulator.control.bill();
  expect(bill.images).toBe(JOBS);
  expect(await lane.totals()).toMatchObject({ settled: JOBS, inDoubt: 0, actualCost: bill.cost_micros });
  expect(await openBucket({ bucket: 'studio', apiEndpoint: gcs.url }).list('')).toEqual([]);
});

/** One worker's life: everything that is due, until it dies. */
async function life(emulator: Emulator, deps: BatchDeps): Promise<void> {
  const poller = createPoller(deps);
  const steps = [() => planOnce(deps), () => submitOnce(deps), () => poller.once(), () => collectOnce(deps)];
  for (const step of steps) {
    await step();
    emulator.control.advance(10 * MINUTE);
    lane.test.clock.advance(MINUTE);
  }
}
