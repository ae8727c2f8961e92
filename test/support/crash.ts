/** One crash, from a healthy system to a healthy system: the program dies at a named step, starts again, all ends well. */

import type { CrashPointName } from '@darkroom/shared/observability';
import { aBody, type Env, type Figures, type Program, type System, startSystem } from './system.ts';

/** What a crash at a step costs, exactly: calls paid again, and attempts counted in doubt. */
export type Price = { extra: number; inDoubt: number };

const FREE: Price = { extra: 0, inDoubt: 0 };
/** The record says that a call is out and none is: the safe side. */
const FEARED: Price = { extra: 0, inDoubt: 1 };
/** A paid call whose answer died with the process. */
const PAID_TWICE: Price = { extra: 1, inDoubt: 1 };

export type CrashCase = {
  point: CrashPointName;
  price: Price;
  /** Brings `program`, which carries `CRASH_AT`, to the step; resolves when the jobs are submitted. */
  run: (system: System, arm: (program: Program) => Promise<void>) => Promise<string[]>;
};

/** One call in flight at a time, so that what a crash costs is exact. */
const WORKER: Env = { WORKER_CONCURRENCY: '1', MESSAGE_LOCK: '5' };
const JOBS = 3;

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
  { point: 'recovery.taken', price: FREE, run: crashRecovery },
  { point: 'wake.gathered', price: FREE, run: crashWake },
  { point: 'wake.enqueued', price: FREE, run: crashWake },
  { point: 'wake.noted', price: FREE, run: crashWake },
  { point: 'handoff.decided', price: FREE, run: crashHandOff },
  { point: 'handoff.moved', price: FREE, run: crashHandOff },
  { point: 'handoff.ended', price: FREE, run: crashHandOff },
  { point: 'archive.written', price: FREE, run: crashArchive },
  { point: 'archive.forgotten', price: FREE, run: crashArchive },
];

export type Survived = Figures & { point: CrashPointName };

/**
 * Runs one case on a system of its own.
 *
 * @throws when the step was never passed, a job is lost, a promise broken, or the crash cost other than its price
 */
export async function survive({ point, price, run }: CrashCase, redisUrl: string): Promise<Survived> {
  await using system = await startSystem({ redisUrl, workers: 0, workerEnv: WORKER, withoutApi: true });
  const arm = async (program: Program) => {
    // Some steps are passed before it listens.
    await program.start({ CRASH_AT: point }).catch(() => undefined);
  };
  const ids = await run(system, arm);
  await Promise.all(ids.map((id) => system.client.end(id, 40_000)));
  const figures = await system.assertInvariants();
  const { extra, inDoubt } = figures;
  if (extra !== price.extra || inDoubt !== price.inDoubt) {
    throw new Error(`${point} cost ${JSON.stringify({ extra, inDoubt })} in place of ${JSON.stringify(price)}`);
  }
  return { ...figures, point };
}

/** Waits for the crash itself: an end of any other kind, or none, fails the case. */
async function died(program: Program, withinMs = 20_000): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${program.name} never passed its crash point`)), withinMs);
  const { signal, code } = await Promise.race([program.exited(), late]).finally(() => clearTimeout(timer));
  if (signal !== 'SIGKILL')
    throw new Error(`${program.name} ended by ${signal ?? code}:\n${program.output().slice(-2_000)}`);
}

/** The API dies in the first submission; its caller repeats each under its key. */
async function crashApi(
  { api, client, addWorker }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  await Promise.all([arm(api), addWorker().start()]);
  const jobs = Array.from({ length: JOBS }, (_, n) => client.insist(aBody(), `crash-${n}`));
  await died(api);
  await api.start();
  return (await Promise.all(jobs)).map(({ id }) => id);
}

/** The API dies after a cancel was recorded, before its message and its twins are looked after. */
async function crashControl(system: System, arm: (program: Program) => Promise<void>): Promise<string[]> {
  const { api, client, addWorker } = system;
  await api.start();
  const body = aBody();
  const leader = await client.insist(body, 'leader');
  const twins = await Promise.all([0, 1].map((n) => client.insist(body, `twin-${n}`)));
  await api.stop();
  await arm(api);
  const canceled = client.cancel(leader.id).catch(() => undefined);
  await died(api);
  await canceled;
  await Promise.all([api.start(), addWorker().start()]);
  return [leader.id, ...twins.map(({ id }) => id)];
}

/** A worker dies within an attempt, and is started again. */
async function crashWorker(
  { api, client, addWorker }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  const worker = addWorker();
  await Promise.all([api.start(), arm(worker)]);
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => client.insist(aBody(), `crash-${n}`)));
  await died(worker);
  await worker.start();
  return jobs.map(({ id }) => id);
}

/** A worker dies with a paid answer on its spool; the one that takes it over dies too. */
async function crashRecovery(
  { api, client, addWorker }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  const worker = addWorker();
  await Promise.all([api.start(), worker.start({ CRASH_AT: 'attempt.answered' })]);
  const { id } = await client.insist(aBody(), 'crash');
  await died(worker);
  await arm(worker);
  await died(worker);
  await worker.start();
  return [id];
}

/** A worker dies while it sends the message of a job's next attempt. */
async function crashWake(
  { api, client, addWorker, emulator }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  emulator.control.putFaults([{ times: 2, fault: { kind: 'overloaded' } }]);
  const worker = addWorker();
  await Promise.all([api.start(), arm(worker)]);
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => client.insist(aBody(), `crash-${n}`)));
  await died(worker);
  await worker.start();
  return jobs.map(({ id }) => id);
}

/** A canceled leader leaves four twins; the worker that hands them on dies among them. */
async function crashHandOff(
  { api, client, addWorker, redis, prefix }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  await api.start();
  const body = aBody();
  const leader = await client.insist(body, 'leader');
  const twins = await Promise.all([0, 1, 2, 3].map((n) => client.insist(body, `twin-${n}`)));
  // The API dies between the cancel and its hand-off, so that the sweeper has it to do.
  await api.stop();
  await api.start({ CRASH_AT: 'control.written' });
  await client.cancel(leader.id).catch(() => undefined);
  await died(api);
  await api.start();
  if ((await redis.zcard(`${prefix}{t:default}:handoffs`)) !== 1) throw new Error('the hand-off is not on its list');
  const worker = addWorker();
  await arm(worker);
  await died(worker);
  await worker.start();
  return [leader.id, ...twins.map(({ id }) => id)];
}

/** A worker dies while it moves finished jobs to the archive. */
async function crashArchive(
  { api, client, addWorker, redis, prefix }: System,
  arm: (program: Program) => Promise<void>,
): Promise<string[]> {
  const worker = addWorker();
  await Promise.all([api.start(), worker.start()]);
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => client.insist(aBody(), `crash-${n}`)));
  await Promise.all(jobs.map(({ id }) => client.end(id)));
  await worker.stop();
  // Their tail is over: as if a day had passed.
  for (const { id } of jobs) await redis.zadd(`${prefix}{t:default}:retention`, 'XX', 1, id);
  await arm(worker);
  await died(worker);
  await worker.start();
  return jobs.map(({ id }) => id);
}
