import { describe, expect, it } from 'vitest';
import { createWatchdog, idleLooks, type Signs } from './watchdog.ts';

const IDLE: Signs = { queue: 'q', waiting: true, room: true, taken: 0 };
const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** What is reported stuck after these looks, one after the other. */
async function reported(looks: Signs[], fit = true): Promise<string[]> {
  const stuck: string[] = [];
  const rest = looks.values();
  const once = createWatchdog({
    look: async () => [rest.next().value ?? IDLE],
    fit: async () => fit,
    stuck: (queue) => void stuck.push(queue),
    log: quiet,
  });
  for (const _ of looks) await once();
  return stuck;
}

const times = (n: number, signs: Partial<Signs> = {}): Signs[] =>
  Array.from({ length: n }, () => ({ ...IDLE, ...signs }));

describe('the watchdog', () => {
  it('reports a worker that leaves messages alone for a minute', async () => {
    expect(await reported(times(11))).toEqual([]);
    expect(await reported(times(12))).toEqual(['q']);
  });

  it.each<[string, Partial<Signs>]>([
    ['nothing waits', { waiting: false }],
    ['it has its hands full', { room: false }],
    ['it took a message', { taken: 1 }],
  ])('begins to count anew when %s', async (_, signs) => {
    expect(idleLooks(11, { ...IDLE, ...signs })).toBe(0);
    expect(await reported([...times(11), ...times(1, signs), ...times(11)])).toEqual([]);
  });

  it('reports nobody while Redis is unfit', async () => {
    expect(await reported(times(30), false)).toEqual([]);
  });
});
