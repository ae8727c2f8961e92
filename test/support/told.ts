/** All that the API and a worker tell of themselves, and the table of `docs/metrics.md` that is made of it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '@darkroom/emulator';
import { createRedisQuotas } from '@darkroom/shared/storage/redis';
import { type Metric, readScrape } from './scrape.ts';
import { aBody, type System } from './system.ts';

export type Told = { api: Map<string, Metric>; worker: Map<string, Metric> };

const FLASH = 'gemini-3.1-flash-image';
const LIMITS = { requestsPerMinute: 500, day: 'pacific' } as const;
/** For the system that is to tell of everything: a channel with a limit, so that there is one to tell of. */
export const TOLD_CHANNEL = { id: 'told', models: { [FLASH]: { limits: { rpm: 600 } } } };

/** Ends of calls that are not successes. */
const FAULTS: Fault[] = [{ kind: 'blocked', finishReason: 'SAFETY' }, { kind: 'invalid_argument' }];

/** Lets both programs do everything that a figure is kept of, and reads what they tell. Wants a gathering of a second or so. */
export async function everythingToldBy(system: System): Promise<Told> {
  const { client, emulator } = system;
  const failing = FAULTS.map((fault) => ({ body: aBody(), fault }));
  emulator.control.putFaults(
    failing.map(({ body, fault }) => ({ match: { promptIncludes: String(body['prompt']) }, fault })),
  );
  await createRedisQuotas({ ...system, limitsOf: () => ({ model: LIMITS, channel: {} }) }).learn(
    { channel: TOLD_CHANNEL.id, model: FLASH },
    { type: 'limit', window: 'requests', limit: LIMITS.requestsPerMinute },
  );
  const bodies = [...failing.map(({ body }) => body), aBody(), aBody({ lane: 'batch' })];
  const ids = await Promise.all(bodies.map(async (body) => (await client.submit(body)).body.id));
  const pooled = await scrapeUntilLabelled(system, 'darkroom_batch_pool');
  await Promise.all(ids.map((id) => client.end(id)));
  const api = readScrape((await client.call<string>('GET', '/metrics')).body);
  // Counted once the last job of the chunk has ended.
  const worker = await scrapeUntilLabelled(system, 'darkroom_batch_lines_total');
  const pool = pooled.get('darkroom_batch_pool');
  return { api, worker: pool ? worker.set(pool.name, pool) : worker };
}

/** What the first worker tells, once it has something to tell of that metric. */
async function scrapeUntilLabelled({ workers: [worker] }: System, name: string): Promise<Told['worker']> {
  const listening = await worker?.line(({ event }) => event === 'worker.listening');
  for (const end = performance.now() + 20_000; performance.now() < end; await sleep(50)) {
    const told = readScrape(await (await fetch(String(listening?.['metrics']))).text());
    if (told.get(name)?.labels.size) return told;
  }
  throw new Error(`${name} stays empty`);
}

/** A row for each metric that is not one of any Node.js process. */
export function metricsTable({ api, worker }: Told): string {
  const rows = [...new Map([...api, ...worker])]
    .filter(([name]) => !/^(process|nodejs)_/.test(name))
    .map(([name, { type, help }]) => {
      const labels = [...new Set([...(api.get(name)?.labels ?? []), ...(worker.get(name)?.labels ?? [])])].toSorted();
      const by = api.has(name) ? (worker.has(name) ? 'both' : 'API') : 'worker';
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(' ')} | ${by} | ${help} |`;
    });
  return ['| metric | type | labels | told by | meaning |', '|---|---|---|---|---|', ...rows].join('\n');
}
