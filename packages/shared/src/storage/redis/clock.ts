/**
 * Time as Redis tells it, which is the same for all hosts: quotas, breakers and leases go by it, and so must every instant
 * that one host writes and another reads. A host an hour ahead would else end the jobs of all others before their deadlines.
 *
 * What is kept is how far Redis' clock is from this host's monotonic one, which nobody sets: so a host whose clock is set
 * anew meanwhile is seen through at once, and an outage of Redis changes nothing.
 */

import type { Redis } from 'ioredis';
import type { EpochMs } from '../../domain/index.ts';
import { type Clock, systemClock } from '../../ports/clock.ts';

/** The best of so many questions is believed. */
const QUESTIONS = 5;
const EVERY_MS = 30_000;
/** Hosts that keep their clocks are nearer than this, and see their own time. */
const TOLERANCE_MS = 250;
/** Operators are told of corrections of more than this, and of changes of as much. */
const TOLD_MS = 1_000;

export type RedisClock = Clock &
  Disposable & {
    /** Asks Redis anew; never fails, and changes nothing while Redis does not answer. */
    measure(): Promise<void>;
  };

export type RedisClockOptions = {
  redis: Pick<Redis, 'time'>;
  /** Told when the host's clock begins to be off by more than a second, by ms ahead of Redis'; again when that changes, and with 0 when it is over. */
  tell: (aheadMs: number) => void;
  local?: Clock;
  /** Milliseconds from any beginning, never set. */
  monotonic?: () => number;
};

/** `offset` = Redis' time less the monotonic, in ms; true within `doubt`. */
type Measured = { offset: number; doubt: number };

/** Has asked Redis when it resolves, and asks again every half minute until it is disposed of. */
export async function openRedisClock(options: RedisClockOptions): Promise<RedisClock> {
  const { redis, tell, local = systemClock, monotonic = () => performance.now() } = options;
  let known: Measured | undefined;
  let told = 0;
  let asking: Promise<void> | undefined;
  /** What the host's clock was ahead of the monotonic one when Redis was asked last. */
  let lead = 0;

  const ask = async () => {
    lead = local.now() - monotonic();
    const answer = await askRedis(redis, monotonic).catch(() => undefined);
    if (answer && isBetter(answer, known)) known = answer;
    const ahead = Math.round(local.now() - now());
    const isTold = Math.abs(ahead) > TOLD_MS;
    if (isTold ? Math.abs(ahead - told) <= TOLD_MS : told === 0) return;
    told = isTold ? ahead : 0;
    tell(told);
  };
  const measure = () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };

  function now(): EpochMs {
    const own = local.now();
    if (!known) return own;
    const shared = monotonic() + known.offset;
    return Math.abs(own - shared) <= Math.max(TOLERANCE_MS, known.doubt) ? own : Math.round(shared);
  }

  await measure();
  const timer = setInterval(() => void measure(), EVERY_MS);
  timer.unref();
  return {
    now: () => {
      // The host's clock was set, or the host slept, in which its monotonic clock stood still.
      if (Math.abs(local.now() - monotonic() - lead) > TOLERANCE_MS) void measure();
      return now();
    },
    measure,
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** @throws whatever Redis does */
async function askRedis(redis: Pick<Redis, 'time'>, monotonic: () => number): Promise<Measured | undefined> {
  let best: Measured | undefined;
  for (let n = 0; n < QUESTIONS; n++) {
    const askedAt = monotonic();
    const [seconds, micros] = await redis.time();
    // It was read at some instant in between: the middle is off by at most half of the way there and back.
    const doubt = (monotonic() - askedAt) / 2;
    const at = Number(seconds) * 1_000 + Number(micros) / 1_000;
    if (!best || doubt < best.doubt) best = { offset: at - askedAt - doubt, doubt };
  }
  return best;
}

/** A vague answer, such as one that waited for an outage to end, counts only for what it proves. */
function isBetter(answer: Measured, known: Measured | undefined): boolean {
  if (!known || answer.doubt <= Math.max(TOLERANCE_MS, known.doubt)) return true;
  return Math.abs(answer.offset - known.offset) > answer.doubt + known.doubt;
}
