/** One crash, from a healthy system to a healthy system: the program dies at a named step, starts again, all ends well. */

import { randomUUID } from 'node:crypto';
import type { CrashPointName } from '@darkroom/shared/observability';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import { wasQuick } from './system/quick-place.ts';
import { aBody, type Env, type Figures, type Program, type System, startSystem } from './system.ts';

/** What a crash at a step costs, exactly: calls paid again, and attempts counted in doubt. */
type Price = { extra: number; inDoubt: number; calls?: number };

const FREE: Price = { extra: 0, inDoubt: 0 };
/** The record says that a call is out and none is: the safe side. */
const FEARED: Price = { extra: 0, inDoubt: 1 };
/** Four twins of a canceled leader need one call among them. */
const ONE_CALL: Price = { ...FREE, calls: 1 };
/** A paid call whose answer died with the process. */
const PAID_TWICE: Price = { extra: 1, inDoubt: 1 };
/** The same, and the record says that a second call is out beside it; none is. */
const PAID_AND_FEARED: Price = { extra: 1, inDoubt: 2 };
/** The call beside it brings the image. */
const PAID_BESIDE: Price = { extra: 1, inDoubt: 1 };

/** Starts a program with `CRASH_AT` set, over the one that runs. */
type Arm = (program: Program, env?: Env) => Promise<void>;

export type CrashCase = {
  point: CrashPointName;
  price: Price;
  /** Brings `program`, which carries `CRASH_AT`, to the step; resolves when the jobs are submitted. */
  run: (system: System, arm: Arm) => Promise<string[]>;
};

/** One call in flight at a time, so that what a crash costs is exact. */
const WORKER: Env = { WORKER_CONCURRENCY: '1', MESSAGE_LOCK: '5' };
const JOBS = 2;
/** Without the standard lane nothing but the sweeper's step is under way when it dies. */
const SWEEPER: Env = { WORKER_ROLES: 'sweeper' };

const attempt = (point: CrashPointName, price: Price): CrashCase => ({ point, price, run: crashWorker });
const admission = (point: CrashPointName): CrashCase => ({ point, price: FREE, run: crashApi });

export const CRASH_CASES: CrashCase[] = [
  admission('admission.parsed'),
  admission('admission.recorded'),
  admission('admission.answered'),
  admission('outbox.gathered'),
  admission('outbox.enqueued'),
  admission('outbox.noted'),
  { point: 'control.written', price: FREE, run: crashControl },
  attempt('attempt.admitted', FREE),
  attempt('attempt.leave_taken', FREE),
  attempt('attempt.intended', FREE),
  attempt('attempt.leased', FEARED),
  attempt('attempt.sent', PAID_TWICE),
  attempt('attempt.arrived', PAID_TWICE),
  attempt('attempt.answered', FREE),
  attempt('attempt.received', FREE),
  attempt('attempt.stored', FREE),
  attempt('attempt.settled', FREE),
  attempt('attempt.thumbnailed', FREE),
  attempt('attempt.cleared', FREE),
  { point: 'hedge.intended', price: PAID_TWICE, run: crashHedge },
  { point: 'hedge.leased', price: PAID_AND_FEARED, run: crashHedge },
  { point: 'hedge.answered', price: PAID_BESIDE, run: crashHedge },
  { point: 'model.moved', price: FREE, run: crashMove },
  { point: 'placeholder.stored', price: FREE, run: crashPlaceholder },
  { point: 'recovery.taken', price: FREE, run: crashRecovery },
  { point: 'wake.gathered', price: FREE, run: crashWake },
  { point: 'wake.enqueued', price: FREE, run: crashWake },
  { point: 'wake.noted', price: FREE, run: crashWake },
  { point: 'handoff.decided', price: ONE_CALL, run: crashHandOff },
  { point: 'handoff.moved', price: ONE_CALL, run: crashHandOff },
  { point: 'handoff.ended', price: ONE_CALL, run: crashHandOff },
  { point: 'archive.written', price: FREE, run: crashArchive },
  { point: 'archive.forgotten', price: FREE, run: crashArchive },
];

export type Survived = Figures & { point: CrashPointName };

/** Where ordinary cases call; the one beside it is for those that need two. */
const FIRST = 'first';
const BESIDE = 'beside';
const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-3.1-flash-image';

/** A system without workers for `survive`; it may serve many cases, one after the other. */
export function startForCrashes(redisUrl: string): Promise<System> {
  const channels = { channels: [{ id: FIRST }, { id: BESIDE, order: 2, models: { [FLASH]: {} } }] };
  return startSystem({ redisUrl, workers: 0, workerEnv: WORKER, channels });
}

/** A body whose calls all go one way. */
function oneWay(more: Record<string, unknown> = {}): Record<string, unknown> {
  return aBody({ routing: { channels: [FIRST] }, ...more });
}

/**
 * Runs one case.
 *
 * @returns what it added to the system's figures
 * @throws when the step was never passed, a job is lost, a promise broken, or the crash cost other than its price
 */
export async function survive({ point, price, run }: CrashCase, system: System): Promise<Survived> {
  const before = await system.assertInvariants();
  const arm: Arm = async (program, env = {}) => {
    await program.stop();
    // Some steps are passed before it listens.
    await program.start({ ...env, CRASH_AT: point }).catch(() => undefined);
  };
  const ids = await run(system, arm);
  await Promise.all(ids.map((id) => system.client.end(id, 40_000)));
  const figures = difference(await system.assertInvariants(), before);
  await Promise.all(system.workers.map((worker) => worker.stop()));
  system.emulator.control.putFaults([]);
  const { extra, inDoubt, jobs, providerCalls } = figures;
  const wrong = extra !== price.extra || inDoubt !== price.inDoubt || (price.calls ?? providerCalls) !== providerCalls;
  if (wrong) throw new Error(`${point} cost ${JSON.stringify(figures)} in place of ${JSON.stringify(price)}`);
  if (jobs !== ids.length) throw new Error(`${point}: ${ids.length} jobs were submitted and ${jobs} exist`);
  return { ...figures, point };
}

function difference(after: Figures, before: Figures): Figures {
  const rest = Object.entries(before).filter(([name]) => name !== 'byStatus');
  const values = rest.map(([name, value]) => [name, Number(after[name as keyof Figures]) - Number(value)]);
  return { ...(Object.fromEntries(values) as Omit<Figures, 'byStatus'>), byStatus: after.byStatus };
}

/** An Idempotency-Key that nobody used before. */
function keyOf(n: number): string {
  return `${randomUUID()}-${n}`;
}

/** Waits for the crash itself: an end of any other kind, or none, fails the case. */
export async function died(program: Program, withinMs = 20_000): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${program.name} never passed its crash point`)), withinMs);
  const { signal, code } = await Promise.race([program.exited(), late]).finally(() => clearTimeout(timer));
  if (signal !== 'SIGKILL')
    throw new Error(`${program.name} ended by ${signal ?? code}:\n${program.output().slice(-2_000)}`);
}

/** The API dies in the first submission; its caller repeats each under its key. */
async function crashApi(system: System, arm: Arm): Promise<string[]> {
  const { api, client } = system;
  await Promise.all([arm(api), system.addWorker().start()]);
  const jobs = Array.from({ length: JOBS }, (_, n) => client.insist(oneWay(), keyOf(n)));
  await died(api);
  await api.start();
  return (await Promise.all(jobs)).map(({ id }) => id);
}

/** The API dies after a cancel was recorded, before its message and its twins are looked after. */
async function crashControl(system: System, arm: Arm): Promise<string[]> {
  const { api, client } = system;
  const body = oneWay();
  const leader = await client.insist(body, keyOf(0));
  const twins = await Promise.all([0, 1].map((n) => client.insist(body, keyOf(n))));
  await arm(api);
  const canceled = client.cancel(leader.id).catch(() => undefined);
  await died(api);
  await canceled;
  await Promise.all([api.start(), system.addWorker().start()]);
  return [leader.id, ...twins.map(({ id }) => id)];
}

/** A worker dies within an attempt, and is started again. */
async function crashWorker(system: System, arm: Arm): Promise<string[]> {
  const { client } = system;
  const worker = system.addWorker();
  await arm(worker);
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => client.insist(oneWay(), keyOf(n))));
  await died(worker);
  await worker.start();
  return jobs.map(({ id }) => id);
}

/** A worker dies at a step of a call beside a slow one. */
async function crashHedge(system: System, arm: Arm): Promise<string[]> {
  const { client, emulator } = system;
  const worker = system.addWorker();
  await wasQuick(system, { channel: FIRST, model: FLASH });
  emulator.control.putFaults([{ match: { project: FIRST }, times: 1, fault: { kind: 'slow', ms: 5_000 } }]);
  // Two calls, and a look at the lines, which takes a place while it lasts.
  await arm(worker, { WORKER_CONCURRENCY: '3' });
  const { id } = await client.insist(aBody({ routing: { hedge: true } }), keyOf(0));
  await died(worker);
  await worker.start();
  return [id];
}

/** A worker dies while a job that waits goes on to the next model of its chain. */
async function crashMove(system: System, arm: Arm): Promise<string[]> {
  const { client, redis, prefix } = system;
  await createRedisBreakers({ redis, prefix }).override(FIRST, 'drain');
  const worker = system.addWorker();
  await arm(worker);
  const { id } = await client.insist(aBody({ model: PRO, size: '1K', routing: { models: [PRO, FLASH] } }), keyOf(0));
  await died(worker);
  await worker.start();
  await client.end(id, 40_000);
  await createRedisBreakers({ redis, prefix }).override(FIRST, undefined);
  return [id];
}

/** A worker dies with a placeholder in the store, which the record does not know. */
async function crashPlaceholder(system: System, arm: Arm): Promise<string[]> {
  const { client, emulator } = system;
  emulator.control.putFaults([{ times: 2, fault: { kind: 'no_image' } }]);
  const worker = system.addWorker();
  await arm(worker);
  const { id } = await client.insist(oneWay({ routing: { channels: [FIRST], placeholder: true } }), keyOf(0));
  await died(worker);
  await worker.start();
  return [id];
}

/** A worker dies with a paid answer on its spool; the one that takes it over dies too. */
async function crashRecovery(system: System, arm: Arm): Promise<string[]> {
  const { client } = system;
  const worker = system.addWorker();
  await worker.start({ CRASH_AT: 'attempt.answered' });
  const { id } = await client.insist(oneWay(), keyOf(0));
  await died(worker);
  await arm(worker);
  await died(worker);
  await worker.start();
  return [id];
}

/** A worker dies while it sends the message of a job's next attempt. */
async function crashWake(system: System, arm: Arm): Promise<string[]> {
  const { client } = system;
  system.emulator.control.putFaults([{ times: 2, fault: { kind: 'overloaded' } }]);
  const worker = system.addWorker();
  await arm(worker);
  // One job: another could be leased between this one's end and its message.
  const { id } = await client.insist(oneWay(), keyOf(0));
  await died(worker);
  await worker.start();
  return [id];
}

/** A canceled leader leaves four twins; the worker that hands them on dies among them. */
async function crashHandOff(system: System, arm: Arm): Promise<string[]> {
  const { api, client } = system;
  const body = oneWay();
  const leader = await client.insist(body, keyOf(0));
  const twins = await Promise.all([0, 1, 2, 3].map((n) => client.insist(body, keyOf(n))));
  // The API dies between the cancel and its hand-off, so that the sweeper has it to do.
  await api.stop();
  await api.start({ CRASH_AT: 'control.written' });
  await client.cancel(leader.id).catch(() => undefined);
  await died(api);
  await api.start();
  if ((await system.redis.zcard(`${system.prefix}{t:default}:handoffs`)) !== 1)
    throw new Error('the hand-off is not on its list');
  const worker = system.addWorker();
  await arm(worker, SWEEPER);
  await died(worker);
  await worker.start();
  return [leader.id, ...twins.map(({ id }) => id)];
}

/** A worker dies while it moves finished jobs to the archive. */
async function crashArchive(system: System, arm: Arm): Promise<string[]> {
  const { client } = system;
  const worker = system.addWorker();
  await worker.start();
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => client.insist(oneWay(), keyOf(n))));
  await Promise.all(jobs.map(({ id }) => client.end(id)));
  await worker.stop();
  // Their tail is over: as if a day had passed.
  for (const { id } of jobs) await system.redis.zadd(`${system.prefix}{t:default}:retention`, 'XX', 1, id);
  await arm(worker, SWEEPER);
  await died(worker);
  await worker.start();
  return jobs.map(({ id }) => id);
}
