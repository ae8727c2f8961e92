/** What several workers make of the limits they were given, in whatever window binds. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cacheFolder } from '../../scripts/lib/files.mjs';
import { bringRedis } from '../../scripts/redis.mjs';
import { type Fair, measureFairness, type Waits } from '../support/fair-load.ts';
import { type LoadPlan, measureLoad } from '../support/quota-load.ts';
import { type Figure, figure } from './figure.ts';
import type { BenchOptions } from './main.ts';
import { percentile } from './parts/sample.ts';

const USED = { of: 'value', is: '>=', than: 98 } as const;
const USED_OF_BOTH = { ...USED, than: 97 } as const;
const NONE = { of: 'value', is: '<=', than: 0 } as const;

/** What a prompt of `aBody` is expected to take, and what its picture costs. */
const TOKENS = 4;
/** Of six hundred of them at 0.0458 dollars each. */
const SPEND_MICROS = 27_450_000;

export async function* channels(options: BenchOptions): AsyncGenerator<Figure> {
  yield* allowances(options);
  yield* tooHigh(options);
  yield* fairness(options);
}

async function* allowances({ quick, wants }: BenchOptions): AsyncGenerator<Figure> {
  for (const [name, plan] of Object.entries(plansOf(quick))) {
    if (!wants(`channels.${name}`)) continue;
    const load = await withRedis((url) => measureLoad(url, plan));
    console.error(`channels.${name}: a minute of ${plan.minuteMs / 1_000} s, ${JSON.stringify(load)}`);
    const goal = plan.accounts.length > 1 ? USED_OF_BOTH : USED;
    yield figure(`channels.${name}_used`, '%', { value: 100 * load.used }, goal);
    yield figure(`channels.${name}_429`, 'calls', { value: load.refused }, NONE);
  }
}

/** Limits set three times as high as they are, for ten minutes. */
async function* tooHigh({ quick, wants }: BenchOptions): AsyncGenerator<Figure> {
  if (!wants('channels.too_high')) return;
  const plan: LoadPlan = {
    workers: 2,
    waiting: 200,
    calls: 300,
    windows: 10,
    minuteMs: quick ? 10_000 : 20_000,
    accounts: [{ id: 'a', limits: { rpm: 900 }, quotas: { rpm: 300 } }],
  };
  const load = await withRedis((url) => measureLoad(url, plan));
  console.error(`channels.too_high: a minute of ${plan.minuteMs / 1_000} s, ${JSON.stringify(load)}`);
  const share = (100 * load.refused) / (load.calls + load.refused);
  yield figure('channels.too_high_429', '%', { value: share }, { of: 'value', is: '<', than: 2 });
  yield figure('channels.too_high_used', '%', { value: 100 * load.used });
  yield figure('channels.too_high_failed', 'jobs', { value: load.failed }, NONE);
}

/** One job a second beside 10,000 of another tenant: where slots are what everybody waits for, and where it is a limit. */
async function* fairness({ quick, wants }: BenchOptions): AsyncGenerator<Figure> {
  const common = { flood: quick ? 1_500 : 10_000, single: quick ? 10 : 30, everyMs: 1_000, workers: 2, slots: 10 };
  const plans = {
    fair_slots: { ...common, latency: 0.1 },
    fair_limit: { ...common, latency: 0.1, perMinute: 240 },
  };
  for (const [name, plan] of Object.entries(plans)) {
    if (!wants(`channels.${name}`)) continue;
    const fair = await withRedis((url) => measureFairness(url, plan));
    console.error(`channels.${name}: ${JSON.stringify(fair)}`);
    yield figure(`channels.${name}_end_p95`, 'ms', p95Of(fair, 'endMs'), { of: 'ratio', is: '<=', than: 2 });
    yield figure(`channels.${name}_call_p95`, 'ms', p95Of(fair, 'callMs'));
    yield figure(`channels.${name}_rate`, 'calls/s', { value: fair.rateBeside, baseline: fair.rateBefore });
    yield figure(`channels.${name}_lost`, 'jobs', { value: fair.flood.other }, NONE);
  }
}

function p95Of({ beside, alone }: Fair, of: keyof Waits): { value: number; baseline: number } {
  return { value: percentile(beside[of], 0.95), baseline: percentile(alone[of], 0.95) };
}

function plansOf(quick: boolean): Record<string, LoadPlan> {
  const common = { workers: 4, waiting: 600, calls: 600, windows: 2.5, minuteMs: quick ? 20_000 : 60_000 };
  return {
    requests: { ...common, accounts: [{ id: 'a', limits: { rpm: 600 }, quotas: { rpm: 600 } }] },
    images: { ...common, accounts: [{ id: 'a', limits: { ipm: 600 }, quotas: { ipm: 600 } }] },
    tokens: {
      ...common,
      accounts: [{ id: 'a', limits: { tpm: 600 * TOKENS }, quotas: { tpm: 600 * TOKENS } }],
    },
    spend: {
      ...common,
      // Ten minutes of a limit in one of the clock.
      minuteMs: common.minuteMs / 10,
      windowMinutes: 10,
      spendMicros: SPEND_MICROS,
      accounts: [{ id: 'a', spend: (SPEND_MICROS / 1_000_000).toFixed(2), quotas: { spend_micros: SPEND_MICROS } }],
    },
    both: {
      ...common,
      accounts: ['a', 'b'].map((id) => ({ id, limits: { rpm: 300 }, quotas: { rpm: 300 } })),
    },
  };
}

/** One as in production, of its own. */
async function withRedis<T>(use: (url: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(tmpdir(), 'darkroom-bench-'));
  const redis = await bringRedis({ dataDir, cacheDir: await cacheFolder(process.env) });
  try {
    return await use(redis.url);
  } finally {
    await redis.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}
