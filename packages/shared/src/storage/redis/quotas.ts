/**
 * Leave to call, as sliding logs in Redis.
 *
 * Each place (channel and model) has a log of the calls of its last minute, each channel one of the costs of its last ten
 * minutes. Leave is granted by one script that looks at every window and takes from all or none. All keys of a channel
 * share a hash tag, and every instant is the server's `TIME`: workers' clocks change nothing. Days are Pacific: the
 * adapter knows the zone, but not the time. It passes the starts of four days, the script picks by `TIME`, and says when
 * none of them fits; then the adapter asks the server for the time and computes others.
 *
 * **What is exact.** A call counts from the instant `sent` wrote (from that of `take` until then), and no interval as long
 * as a window's span ever holds more than its limit, by amounts. `sent` is always allowed: it moves the call within the
 * window, as long as it comes within the span after `take`. The provider sees the call a little later, some calls later
 * than others; so windows are longer than their span by a hundredth, at most 3 s: 600 ms of a minute. Up to that much more
 * delay of one call than of another is no refusal, and 99 % of the allowance stays usable. A cost counts from `take` until
 * the window's span after `ended`, so that no interval holds more than the limit whether the provider books it at the
 * start of the call or at its end: its window needs to be no longer. About midnight, by the guard of the day, a call counts on both days. A rolling day is
 * counted in five hundredths, each of which counts until its last call is a day old.
 *
 * **What is not.** An expectation that was too low is found out at `ended`: then the window holds more than its limit, and
 * closes until it does not. A worker that stands still for longer than the guard between `sent` and the call moves it.
 * A demand greater than a whole limit leaves when its window is empty: it could never leave otherwise.
 *
 * **Who waits.** A refusal reserves nothing. A big demand (of tokens) sees small ones take the room it waits for, for as
 * long as they are asked first: who asks first, and that the others wait behind it, is up to the lines.
 *
 * **A worker that dies** holds its calls in flight until `callMs` have passed, and its amounts until they slide out.
 *
 * **What is learnt.** A limit that the provider named holds for 30 minutes, one that it did not name is what was used when the
 * refused call left, less a twentieth, and holds for ten; then it grows by a tenth every two minutes until the configured
 * limit is reached. One of spend holds for three times ten minutes, one of days for three days, and they grow in steps of
 * ten minutes and a day. Pauses that grow start anew once a call that left after the last one made an image.
 */

import type { Redis } from 'ioredis';
import { pacificDays } from '../../domain/backoff.ts';
import type { Place } from '../../domain/channel.ts';
import type { EpochMs } from '../../domain/job.ts';
import type { Lesson } from '../../domain/lesson.ts';
import {
  type Demand,
  type Leave,
  type LimitsOf,
  type PlaceState,
  type Quotas,
  WINDOWS,
  type WindowName,
  type WindowState,
} from '../../ports/quotas.ts';
import { keySpace } from './keys.ts';
import { loadScript, type Script, type ScriptArg } from './scripts.ts';

/** Lengths of the windows; shorter ones make simulations quick. */
export type QuotaSpans = { minuteMs: number; tenMinutesMs: number; dayMs: number };

const DAY_MS = 86_400_000;
const SPANS: QuotaSpans = { minuteMs: 60_000, tenMinutesMs: 600_000, dayMs: DAY_MS };
/** Longer than any call may take: then its worker has died. */
const CALL_MS = 15 * 60_000;
const NONE = -1;
const DAY_USED = 'its calls of the day are used';

type Pause = NonNullable<PlaceState['pause']>;

/** What a script answers when the days it was given do not reach to now. */
const STALE = -1;

/**
 * @param options `callMs`: a call is taken to be over after that long, whether anyone says so or not. `paced`: after a burst
 * of a sixtieth, a minute's calls leave evenly, so that nobody finds all of it used up
 */
export function createRedisQuotas(options: {
  redis: Redis;
  prefix?: string;
  limitsOf: LimitsOf;
  spans?: Partial<QuotaSpans>;
  callMs?: number;
  paced?: boolean;
}): Quotas {
  const { redis, prefix = '', limitsOf, callMs = CALL_MS, paced = false } = options;
  const space = keySpace(prefix);
  const spans = { ...SPANS, ...options.spans };
  const load = (name: string) => loadScript(redis, `quota-${name}`, 'quota-parts');
  const scripts = {
    take: load('take'),
    sent: load('sent'),
    ended: load('ended'),
    learn: load('learn'),
    look: load('look'),
    resume: load('resume'),
  };
  let days: EpochMs[] = [0, 0, 0, 0];

  const askServer = async () => {
    const [seconds, micros] = await redis.time();
    days = daysAround(Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000), spans.dayMs);
  };
  const run = async (
    script: Script,
    place: Place,
    attempt: string,
    more: ScriptArg[] = [],
    evenly = paced,
  ): Promise<unknown[]> => {
    const { pace, ...others } = space.quotas(place);
    const keys = [...Object.values(others), ...(evenly ? [pace] : [])];
    for (let tries = 0; ; tries++) {
      const args = [attempt, spans.minuteMs, spans.tenMinutesMs, spans.dayMs, ...limitArguments(limitsOf(place), days)];
      const answer = (await script(keys, [...args, callMs, ...more])) as unknown[];
      if (answer[0] !== STALE) return answer;
      if (tries === 3) throw new Error(`Redis names no day that its own TIME lies in: ${days.join(', ')}`);
      await askServer();
    }
  };

  return {
    take: async (place, attempt, { images, tokens, cost }, { evenly = true } = {}): Promise<Leave> => {
      const demand = [images, tokens, cost].map(wholeAmount);
      const [granted, wait, reason, window] = await run(scripts.take, place, attempt, demand, paced && evenly);
      if (granted === 1) return { granted: true };
      return {
        granted: false,
        retryAfterMs: Number(wait),
        reason: parseReason(reason),
        window: parseWindow(window),
      };
    },
    sent: async (place, attempt) => {
      await run(scripts.sent, place, attempt);
    },
    ended: async (place, attempt, used = {}) => {
      await run(scripts.ended, place, attempt, [...usedArguments(used), 0]);
    },
    giveBack: async (place, attempt) => {
      await run(scripts.ended, place, attempt, ['', '', '', 1]);
    },
    learn: async (place, lesson, attempt = '') => {
      await run(scripts.learn, place, attempt, lessonArguments(lesson));
    },
    look: (places) => Promise.all(places.map(async (place) => parseState(place, await run(scripts.look, place, '')))),
    resume: async (place) => (await run(scripts.resume, place, ''))[0] === 1,
  };
}

/** Starts of four days, `now` in the second. A day of another length is no day of any zone. */
function daysAround(now: EpochMs, dayMs: number): EpochMs[] {
  if (dayMs === DAY_MS) return pacificDays(now);
  const start = Math.floor(now / dayMs) * dayMs;
  return [-1, 0, 1, 2].map((n) => start + n * dayMs);
}

function limitArguments({ model, channel }: ReturnType<LimitsOf>, days: EpochMs[]): ScriptArg[] {
  return [
    model.day === 'rolling' ? 1 : 0,
    ...days,
    model.requestsPerMinute ?? NONE,
    model.imagesPerMinute ?? NONE,
    model.tokensPerMinute ?? NONE,
    model.requestsPerDay ?? NONE,
    model.concurrency ?? NONE,
    channel.spendPerTenMinutes ?? NONE,
    channel.concurrency ?? NONE,
  ];
}

function wholeAmount(amount: number): number {
  return Math.max(0, Math.ceil(amount));
}

function usedArguments({ images, tokens, cost }: Partial<Demand>): ScriptArg[] {
  return [images, tokens, cost].map((amount) => (amount === undefined ? '' : wholeAmount(amount)));
}

function lessonArguments(lesson: Lesson): ScriptArg[] {
  if (lesson.type === 'limit') {
    return ['limit', lesson.window, lesson.limit ?? NONE, wholeAmount(lesson.retryAfterMs ?? 0)];
  }
  const { ms, growsToMs = 0, reason, why } = lesson;
  return ['pause', ms === 'day_end' ? ms : Math.max(1, Math.ceil(ms)), growsToMs, reason, why];
}

function parseState(place: Place, [now, wait, ...rows]: unknown[]): PlaceState {
  const at = Number(now);
  const windows = (rows.slice(0, -1) as string[][]).map((row) => parseRow(row, at));
  const [, left, reason, why = ''] = rows.at(-1) as string[];
  const said = Number(left) > 0 ? { until: at + Number(left), reason: parseReason(reason), why } : undefined;
  const pause = longer(said, dayPause(windows));
  return { place, waitMs: Number(wait), windows, ...(pause && { pause }) };
}

/** Nobody calls until the day is over, as if the provider had said so. */
function dayPause(windows: readonly WindowState[]): Pause | undefined {
  const until = windows.find(({ window }) => window === 'day')?.freeAt;
  return until === undefined ? undefined : { until, reason: 'parked', why: DAY_USED };
}

function longer(a: Pause | undefined, b: Pause | undefined): Pause | undefined {
  return a && b ? (b.until > a.until ? b : a) : (a ?? b);
}

function parseRow([window, used, limit, learnt, until, wait]: string[], now: EpochMs): WindowState {
  return {
    window: parseWindow(window),
    used: Number(used),
    ...(Number(limit) >= 0 && { limit: Number(limit) }),
    ...(Number(learnt) >= 0 && { learnt: { limit: Number(learnt), until: Number(until) } }),
    ...(Number(wait) > 0 && { freeAt: now + Number(wait) }),
  };
}

function parseReason(reason: unknown): 'rate_limited' | 'parked' {
  return reason === 'parked' ? 'parked' : 'rate_limited';
}

function parseWindow(name: unknown): WindowName {
  const found = WINDOWS.find((window) => window === name);
  if (!found) throw new Error(`no such window: ${String(name)}`);
  return found;
}
