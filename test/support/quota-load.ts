/**
 * More jobs than the limits allow, before real workers: how much of the allowance they use, and what is refused. The
 * provider counts strictly, over every interval of a window's length.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { JournalEntry, SettingsPatch } from '@darkroom/emulator';
import { aBody, type System, startSystem } from './system.ts';

type Quotas = NonNullable<SettingsPatch['quotas']>;
const MODEL = 'gemini-3.1-flash-image';
const WARM_MODEL = 'gemini-3.1-flash-lite-image';
const MINUTE_MS = 60_000;
const TOGETHER = 16;
const LOOK_MS = 100;

type Account = {
  id: string;
  /** As the file names them, of the model. */
  limits?: Record<string, number>;
  /** Dollars per ten minutes, of the channel. */
  spend?: string;
  /** As the provider counts. */
  quotas: Quotas;
};

export type LoadPlan = {
  workers: number;
  /** Jobs that wait, before the first call and throughout. */
  waiting: number;
  /** What a minute of a limit lasts here. */
  minuteMs: number;
  /** Length of the windows that bind, in minutes: 10 for spend. */
  windowMinutes?: number;
  /** How many lengths of the windows are measured, the first with its burst among them. */
  windows: number;
  /** Calls that the limits of all accounts allow in one window; of spend, about so many: their costs differ. */
  calls: number;
  /** What all accounts may spend in one window, where that binds. */
  spendMicros?: number;
  accounts: readonly Account[];
  workerEnv?: Record<string, string>;
  /** Calls of another model to each account, before all others: what is slow at first is then behind everybody. */
  warm?: number;
};

export type Load = {
  /** Of the allowance: the time in which so many calls are allowed, in the time that they took; the mean over all that many calls in a row. */
  used: number;
  /** Those that the provider let in. */
  calls: number;
  /** Refused by a limit of the provider. */
  refused: number;
  /** The most that was in any interval of a window's length, as a share of the limit. */
  largestShare: number;
  /** Calls let in, by account. */
  callsOf: Record<string, number>;
  /** Jobs that ended so. */
  failed: number;
};

/** Runs the plan in a system of its own on `redisUrl`. @param judge looks at the system before it is taken down */
export async function measureLoad(
  redisUrl: string,
  plan: LoadPlan,
  judge: (system: System) => Promise<void> = async () => undefined,
): Promise<Load> {
  const { accounts, minuteMs, windows, windowMinutes = 1, calls: allowed, spendMicros, warm = 0 } = plan;
  const windowMs = windowMinutes * minuteMs;
  await using system = await startSystem({
    redisUrl,
    workers: 0,
    workerEnv: { QUOTA_MINUTE_MS: String(minuteMs), ...plan.workerEnv },
    channels: {
      channels: accounts.map(({ id, limits = {}, spend }) => ({
        id,
        models: { [MODEL]: { limits }, ...(warm && { [WARM_MODEL]: {} }) },
        ...(spend && { limits: { spend_per_10m: spend } }),
      })),
    },
    emulator: {
      settings: {
        render: 'fast',
        clock_scale: MINUTE_MS / minuteMs,
        projects: Object.fromEntries(accounts.map(({ id, quotas }) => [id, { quotas }])),
      },
    },
  });
  const end = Math.ceil(allowed * windows);
  const startWorkers = () => Promise.all(Array.from({ length: plan.workers }, () => system.addWorker().start()));
  if (warm) await startWorkers().then(() => warmUp(system, plan));
  await feed(system, plan.waiting);
  if (!warm) await startWorkers();
  const until = performance.now() + (windows + 2) * windowMs + 30_000;
  while (callsIn(system).length < end && performance.now() < until) {
    const submitted = system.client.accepted.size - warm * accounts.length;
    const missing = plan.waiting + callsIn(system).length - submitted;
    await Promise.all([feed(system, missing), sleep(LOOK_MS)]);
  }
  const load = loadOf(system, {
    windowMs,
    allowed: Math.round(spendMicros ? spendMicros / meanCost(system) : allowed),
  });
  await judge(system);
  return { ...load, failed: await countFailed(system) };
}

async function warmUp({ client }: System, { accounts, warm }: LoadPlan): Promise<void> {
  const bodies = accounts.flatMap(({ id }) =>
    Array.from({ length: warm ?? 0 }, () => aBody({ model: WARM_MODEL, size: '1K', routing: { channels: [id] } })),
  );
  const jobs = await Promise.all(bodies.map((body) => client.submit(body)));
  await Promise.all(jobs.map(({ body }) => client.end(body.id)));
}

/** Submits so many jobs, a few at a time. */
async function feed({ client }: System, count: number): Promise<void> {
  let left = count;
  const submitSome = async () => {
    while (left-- > 0) {
      const { status, body } = await client.submit(aBody({ model: MODEL }));
      if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(body)}`);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, submitSome));
}

/** Every call for an image so far, refused ones too; those that only warmed up left out. */
function callsIn({ emulator }: System): JournalEntry[] {
  const found: JournalEntry[] = [];
  for (let since = 0; ; ) {
    const { entries } = emulator.control.journal({ since });
    found.push(...entries.filter(({ model }) => model !== undefined && model !== WARM_MODEL));
    const last = entries.at(-1);
    if (!last) return found;
    since = last.n;
  }
}

function loadOf(system: System, { windowMs, allowed }: { windowMs: number; allowed: number }): Omit<Load, 'failed'> {
  const all = callsIn(system);
  const inside = all.filter(({ http_status }) => http_status !== 429);
  const callsOf: Record<string, number> = {};
  for (const { project } of inside) callsOf[project] = (callsOf[project] ?? 0) + 1;
  return {
    used: usedOf(
      inside.map(({ at }) => at),
      { windowMs, allowed },
    ),
    calls: inside.length,
    refused: all.length - inside.length,
    largestShare: Math.max(...system.emulator.control.quota().map(({ largest_share }) => largest_share)),
    callsOf,
  };
}

function meanCost({ emulator }: System): number {
  const { cost_micros, billed_calls } = emulator.control.bill();
  return cost_micros / billed_calls;
}

/** A call and the one that comes `allowed` calls later are a window apart when nothing of the allowance is left unused. */
function usedOf(times: number[], { windowMs, allowed }: { windowMs: number; allowed: number }): number {
  const spans = times.slice(allowed).map((at, n) => at - (times[n] ?? at));
  return windowMs / (spans.reduce((sum, span) => sum + span, 0) / spans.length);
}

async function countFailed({ client }: System): Promise<number> {
  const { body } = await client.call<{ data: unknown[] }>('GET', '/v1/jobs?status=failed&limit=100');
  return body.data.length;
}
