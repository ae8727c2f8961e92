/** The whole system with nights of a fraction of a second, looked at from outside. */

import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Emulator, type EmulatorOptions, type SettingsPatch, startEmulator } from '@darkroom/emulator';
import { BATCH_MODEL, itemsOf, manifestOf, type SentBatch } from './batch-caller.ts';
import {
  type BatchesSeen,
  type BatchFigures,
  batchFigures,
  batchViolations,
  type ChunkRecord,
  type ShownBatch,
} from './batch-invariants.ts';
import { keysOf, readTenants } from './system/records.ts';
import { type Env, type Figures, PROVIDER_KEY, type System, type SystemOptions, startSystem } from './system.ts';

/** Small pictures, and a turnaround that is the same for all. */
const NIGHT = { longest_side: 128, batches: { turnaround_ms: 200, spread: 0 } } as const satisfies SettingsPatch;
/** The lane's hours in tenths of a second, with the shortest locks. */
const LANE: Env = { BATCH_GATHER: '0.3', BATCH_POLL: '0.2', BATCH_RECREATE_AFTER: '1', MESSAGE_LOCK: '5' };
const POOL_MS = 20_000;
const OTHER_CLOCK = new URL('other-clock.ts', import.meta.url);

export type BatchSystem = AsyncDisposable & {
  system: System;
  /** Batches that were accepted; what is asserted is asserted of all of them. */
  sent: SentBatch[];
  /** Looks at all that the lane left. */
  look(): Promise<BatchesSeen>;
  /** Waits until nothing is under way. @throws with every broken promise, of this lane or any other */
  assertAll(options?: { timeoutMs?: number }): Promise<Figures & BatchFigures>;
};

type Options = Omit<SystemOptions, 'emulator'> & { emulator?: EmulatorOptions };

export async function startBatchSystem({ emulator, workerEnv, ...options }: Options): Promise<BatchSystem> {
  await using opened = new AsyncDisposableStack();
  const settings = { ...NIGHT, ...emulator?.settings };
  const system = opened.use(
    await startSystem({ ...options, emulator: { ...emulator, settings }, workerEnv: { ...LANE, ...workerEnv } }),
  );
  const witness = createWitness(opened.use(await startEmulator({ settings: NIGHT })));
  const sent: SentBatch[] = [];
  const look = async (): Promise<BatchesSeen> => {
    const prompts = sent.flatMap(({ rows }) => rows.map(({ prompt }) => prompt));
    const { control } = system.emulator;
    return {
      tenants: await readTenants(system.redis, system.prefix, join(system.dataDir, 'objects', 'objects')),
      batches: await Promise.all(sent.map((batch) => shown(system, batch))),
      chunks: await readChunks(system),
      remote: control.batches().map((batch) => ({ ...batch, answered: control.batchLines(batch.id) })),
      billed: control.bill().by_lane.batch.cost_micros,
      pictures: new Map(await Promise.all(prompts.map(async (it) => [it, await witness(it)] as const))),
      files: await providerFiles(system.emulator),
      waiting: await waitingIn(system),
      folders: await foldersIn(join(system.dataDir, 'objects', 'objects', 'batches')),
    };
  };
  const owned = opened.move();
  return {
    system,
    sent,
    look,
    assertAll: async ({ timeoutMs } = {}) => {
      await system.idle(timeoutMs);
      await untilNobodyWaits(system);
      const seen = await look();
      const violations = batchViolations(seen);
      if (violations.length > 0) throw new Error(`promises broken:\n  ${violations.join('\n  ')}`);
      return { ...(await system.assertInvariants()), ...batchFigures(seen) };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Starts a program whose clock is ahead by so much, as if the time since it ended had been longer. */
export function ahead(ms: number): Env {
  const at = Date.now();
  return clockOf({ at, shows: at + ms, pace: 1 });
}

/** What the clocks of several programs follow, for them to agree. Instants in epoch milliseconds. */
export type OtherClock = { at: number; shows: number; pace: number };

export function clockOf({ at, shows, pace }: OtherClock): Env {
  return { NODE_OPTIONS: `--import=${OTHER_CLOCK.href}`, TEST_CLOCK: [at, shows, pace].join(), CLOCK: 'host' };
}

async function shown(system: System, batch: SentBatch): Promise<ShownBatch> {
  const { body: view } = await system.client.call<ShownBatch['view']>('GET', `/v1/batches/${batch.id}`);
  return { ...batch, view, items: await itemsOf(system, batch.id), manifest: await manifestOf(system, batch.id) };
}

/** Another provider, which draws the same picture for the same words: it never saw a batch. */
function createWitness({ url }: Emulator): (prompt: string) => Promise<string> {
  const known = new Map<string, Promise<string>>();
  const draw = async (prompt: string): Promise<string> => {
    const response = await fetch(`${url}/v1beta/models/${BATCH_MODEL}:generateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': PROVIDER_KEY, 'content-type': 'application/json' },
      body: JSON.stringify({
        contents: [{ parts: [{ text: prompt }] }],
        generationConfig: { imageConfig: { imageSize: '512' } },
      }),
    });
    const answer = (await response.json()) as {
      candidates: { content: { parts: { inlineData?: { data: string } }[] } }[];
    };
    const data = answer.candidates[0]?.content.parts.find(({ inlineData }) => inlineData)?.inlineData?.data ?? '';
    return createHash('sha256').update(Buffer.from(data, 'base64')).digest('hex');
  };
  return (prompt) => {
    const drawn = known.get(prompt) ?? draw(prompt);
    known.set(prompt, drawn);
    return drawn;
  };
}

async function readChunks({ redis, prefix }: System): Promise<ChunkRecord[]> {
  const keys = await keysOf(redis, `${prefix}{q:batches}:pb:*`);
  return Promise.all(
    keys.map(async (key) => {
      const { d = '{}', m = '' } = await redis.hgetall(key);
      const lines = m.split('\n').filter((line) => line !== '');
      const members = lines.map((line) => {
        const [, job = '', attempt = ''] = line.split('\t');
        return { job, attempt };
      });
      return { ...(JSON.parse(d) as Omit<ChunkRecord, 'members'>), members };
    }),
  );
}

async function providerFiles({ url }: Emulator): Promise<string[]> {
  const response = await fetch(`${url}/v1beta/files?pageSize=100`, { headers: { 'x-goog-api-key': PROVIDER_KEY } });
  const { files = [] } = (await response.json()) as { files?: { name: string }[] };
  return files.map(({ name }) => name);
}

/** A dead planner's hold outlives a quick provider: its pool is looked at again when that runs out. In vain, the checker tells. */
async function untilNobodyWaits(system: System): Promise<void> {
  for (const end = performance.now() + POOL_MS; performance.now() < end; await sleep(50)) {
    if ((await waitingIn(system)).length === 0) return;
  }
}

async function waitingIn({ redis, prefix }: System): Promise<string[]> {
  const pools = await keysOf(redis, `${prefix}{q:batch:*}:pool`);
  const pooled = await Promise.all(pools.map((key) => redis.zrange(key, '0', '-1')));
  return [...pooled.flat(), ...(await redis.zrange(`${prefix}{t:default}:ingests`, '0', '-1'))];
}

async function foldersIn(path: string): Promise<string[]> {
  const found = await readdir(path, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = found.filter((item) => item.isFile() && !item.name.startsWith('.'));
  return [...new Set(files.map(({ parentPath }) => parentPath.slice(path.length + 1).split('/')[0] ?? ''))];
}
