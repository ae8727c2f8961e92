import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Emulator, startEmulator } from './server.ts';
import { post } from './testing/client.ts';
import { aChat, aContent, CHAT, cloudPath, GENERATIONS, tell } from './testing/modes.ts';

let emulator: Emulator;
beforeEach(async () => {
  emulator = await startEmulator({
    settings: {
      longest_side: 64,
      projects: {
        alpha: { quotas: { rpm: 1 } },
        beta: { faults: [{ times: 1, fault: { kind: 'overloaded' } }], openrouter: { markup: 2 } },
      },
    },
  });
});
afterEach(() => emulator.close());

const vertex = (project: string) =>
  tell(emulator, `${cloudPath(project)}:generateContent`, aContent(), `${project}.token`);
const statuses = async (...calls: Promise<{ status: number }>[]) =>
  (await Promise.all(calls)).map(({ status }) => status);

it('counts each project’s calls against its own limits, by whatever way they come', async () => {
  const first = await statuses(post(emulator, { key: 'alpha.key' }));
  const others = await statuses(
    post(emulator, { key: 'alpha.other' }),
    tell(emulator, CHAT, aChat(), 'alpha.token'),
    vertex('alpha'),
    post(emulator, { key: 'someone' }),
    post(emulator, { key: 'someone' }),
    vertex('gamma'),
  );

  expect([...first, ...others]).toEqual([200, 429, 429, 429, 200, 200, 200]);
});

it('has faults of one project strike nobody else', async () => {
  expect(await statuses(post(emulator, { key: 'someone' }), vertex('gamma'))).toEqual([200, 200]);
  expect(await statuses(tell(emulator, CHAT, aChat(), 'beta.token'))).toEqual([503]);
  expect(await statuses(tell(emulator, CHAT, aChat(), 'beta.token'))).toEqual([200]);
});

it('strikes by project and by mode in the common script, too', async () => {
  emulator.control.putFaults([
    { match: { mode: 'openrouter', project: 'gamma' }, fault: { kind: 'internal' } },
    { match: { mode: 'vertex' }, fault: { kind: 'unavailable' } },
  ]);
  emulator.control.patchSettings({ projects: { gamma: {} } });

  const gamma = tell(emulator, CHAT, aChat(), 'gamma.x');
  const delta = tell(emulator, CHAT, aChat(), 'delta.x');
  expect(await statuses(gamma, delta, vertex('delta'), post(emulator, { key: 'gamma.x' }))).toEqual([
    500, 200, 503, 200,
  ]);
});

it('has a bill for each, and all of them are the bill', async () => {
  await post(emulator, { key: 'alpha.key' });
  await vertex('gamma');
  await vertex('gamma');
  await tell(emulator, GENERATIONS, { model: 'gpt-image-1', prompt: 'x' });
  const { by_project: projects, ...bill } = emulator.control.bill();

  expect(projects).toMatchObject({ alpha: { images: 1 }, gamma: { images: 2, calls: 2 }, project: { images: 1 } });
  for (const field of ['calls', 'billed_calls', 'images', 'cost_micros'] as const) {
    expect(Object.values(projects).reduce((sum, own) => sum + own[field], 0)).toBe(bill[field]);
  }
});

it('refuses a project’s settings that make no sense', () => {
  expect(() => emulator.control.patchSettings({ projects: { 'a b': {} } })).toThrow('projects');
});
