/**
 * Breakers that all workers share. @see Breakers, domain/breaker.ts for the states
 *
 * All keys of a channel have one hash tag: a record for the channel (an operator's word, a refused key), one for each of its
 * places, the attempts noted lately, and a hash of figures for each minute. Every step is one script, by the clock of Redis,
 * so of any number of workers one has the probe. What a crash leaves: a probe that nobody ends, which frees itself; a call
 * that is not counted. Nothing has to be repaired.
 */

import type { Redis } from 'ioredis';
import {
  BREAKER_RULES,
  type BreakerRules,
  breakerState,
  type CallEnd,
  type Cause,
  coolDowns,
  describeCause,
  type Out,
  type Override,
  type Place,
  saysOf,
  type Transition,
  timeBucket,
  timePercentile,
} from '../../domain/index.ts';
import type { Breakers, PlaceHealth, PlaceStanding } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** Minutes of figures, and how long a minute is kept. */
const MINUTES = 10;
const FIGURES_MS = (MINUTES + 1) * 60_000;
/** A call is noted once within this; most of them that are remembered of a place. */
const NOTED_MS = 600_000;
const NOTED_MAX = 20_000;
/** The window slides by a twelfth of itself. */
const SLOTS = 12;
/** A record that nobody touches outlasts the longest time that it can be out by a week. */
const RECORD_MS = 7 * 86_400_000;
/** So few good calls and no fault end a trouble in quiet times. */
const WELL_MIN = 3;
/** Calls below which a p95 says nothing, and how old it may be. */
const TIMED_MIN = 20;
const P95_KEPT_MS = 5_000;
const P95_KEPT_MAX = 1_000;

/** Opens nothing: `redis` is the caller's. `rules` shorten the spans for simulations. */
export function createRedisBreakers(options: {
  redis: Redis;
  prefix?: string;
  rules?: Partial<BreakerRules>;
  /** Uniform in [0, 1). */
  random?: () => number;
}): Breakers {
  const { redis, prefix = '', random = Math.random } = options;
  const rules = { ...BREAKER_RULES, ...options.rules };
  const space = keySpace(prefix);
  const enter = loadScript(redis, 'enter-breaker', 'breaker-record');
  const leave = loadScript(redis, 'leave-breaker', 'breaker-record');
  const note = loadScript(redis, 'note-call', 'breaker-record');
  const look = loadScript(redis, 'look-breaker', 'breaker-record');
  const override = loadScript(redis, 'override-breaker', 'breaker-record');
  const recordsOf = ({ channel, model }: Place) => [space.breaker(channel), space.placeBreaker(channel, model)];
  const figuresOf = ({ channel, model }: Place) => space.placeCalls(channel, model);
  const see = async (place: Place, minutes: number) =>
    (await look(recordsOf(place), [rules.lookAgainMs, figuresOf(place), minutes])) as Seen;
  const health = async (place: Place) => healthOf(place, await see(place, MINUTES));
  const p95s = new Map<string, { at: number; p95Ms: Promise<number | undefined> }>();

  return {
    enter: async (place, attempt) => {
      const [waitMs, probe] = (await enter(recordsOf(place), [attempt, rules.probeMs, rules.lookAgainMs])) as [
        number,
        number,
      ];
      return waitMs > 0 ? { type: 'closed_until', retryAfterMs: waitMs } : { type: 'go', probe: probe === 1 };
    },
    leave: async (place, attempt) => {
      await leave(recordsOf(place), [attempt]);
    },
    note: async (place, attempt, end, { ms, tenant = '', again = false } = {}) => {
      const bucket = ms === undefined ? '' : timeBucket(ms);
      const keys = [...recordsOf(place), space.notedCalls(place.channel, place.model)];
      const says = saysOf(end, { again });
      const told = await note(keys, [attempt, tenant, end, says, bucket, figuresOf(place), ruleText(rules, random)]);
      return typeof told === 'string' ? parseTransition(place, JSON.parse(told) as Told) : undefined;
    },
    stand: (places) => Promise.all(places.map(async (place) => standingOf(place, await see(place, 0)))),
    look: (places) => Promise.all(places.map(health)),
    p95Ms: (place) => {
      const key = figuresOf(place);
      const kept = p95s.get(key);
      if (kept && performance.now() - kept.at < P95_KEPT_MS) return kept.p95Ms;
      if (p95s.size >= P95_KEPT_MAX) p95s.clear();
      const p95Ms = health(place).then(({ p95Ms }) => p95Ms);
      p95s.set(key, { at: performance.now(), p95Ms });
      p95Ms.catch(() => p95s.delete(key));
      return p95Ms;
    },
    override: async (channel, word) => {
      await override([space.breaker(channel)], [word ?? '']);
    },
  };
}

/** What the script that notes calls goes by. */
function ruleText(rules: BreakerRules, random: () => number): string {
  return JSON.stringify({
    ...rules,
    coolDowns: coolDowns(rules, random),
    slotMs: rules.windowMs / SLOTS,
    slots: SLOTS,
    wellMin: WELL_MIN,
    notedMs: NOTED_MS,
    notedMax: NOTED_MAX,
    figuresMs: FIGURES_MS,
    recordMs: rules.retiredMs + RECORD_MS,
  });
}

/** A transition as the script tells it. */
type Told = {
  to: Transition['to'];
  cause: Cause['type'];
  at: number;
  whole?: true;
  rate?: number;
  calls?: number;
  faults?: number;
  run?: number;
  ending?: CallEnd;
  open_until?: number;
};

function parseTransition(place: Place, told: Told): Transition {
  const { to, at, whole, rate, open_until } = told;
  return {
    place,
    to,
    why: describeCause(causeOf(told)),
    at,
    breaker: to === 'opened' || to === 'out' ? 'open' : 'closed',
    ...(whole && { wholeChannel: true }),
    ...(rate !== undefined && { errorRate: rate }),
    ...(open_until !== undefined && { until: open_until }),
  };
}

function causeOf({ cause, run = 0, faults = 0, calls = 0, ending = 'unavailable' }: Told): Cause {
  if (cause === 'row') return { type: cause, faults: run, end: ending };
  return cause === 'rate' ? { type: cause, faults, calls } : { type: cause };
}

/** A place as the script sees it. */
type Seen = [
  now: number,
  waitMs: number,
  override: Override | '',
  channelOut: Out | '',
  channelProbeAt: string,
  out: Out | '',
  probeAt: string,
  figures: string[][],
];

function standingOf(place: Place, seen: Seen): PlaceStanding {
  const [now, waitMs, override, channelOut, channelProbeAt, ownOut, ownProbeAt] = seen;
  const times = [channelProbeAt, ownProbeAt].flatMap((text) => (text ? [Number(text)] : []));
  const probeAt = times.length ? Math.max(...times) : undefined;
  const out = channelOut || ownOut;
  return {
    place,
    breaker: override === 'close' ? 'closed' : override ? 'open' : breakerState(probeAt, now),
    waitMs: override === 'close' ? 0 : waitMs,
    ...(probeAt !== undefined && { probeAt }),
    ...(override && { override }),
    ...(out && { out }),
  };
}

function healthOf(place: Place, seen: Seen): PlaceHealth {
  const ends: Partial<Record<CallEnd, number>> = {};
  const times = new Map<number, number>();
  for (const [field, count] of seen[7].flatMap(pairs)) {
    const [kind, name] = [field.slice(0, 1), field.slice(2)];
    if (kind === 'e') ends[name as CallEnd] = (ends[name as CallEnd] ?? 0) + count;
    else times.set(Number(name), (times.get(Number(name)) ?? 0) + count);
  }
  const sum = (counts: Iterable<number>) => [...counts].reduce((all, one) => all + one, 0);
  return {
    ...standingOf(place, seen),
    calls: sum(Object.values(ends)),
    ends,
    ...(sum(times.values()) >= TIMED_MIN && {
      p50Ms: timePercentile(times, 0.5),
      p95Ms: timePercentile(times, 0.95),
    }),
  };
}

/** What a hash says, as Redis answers it: names and counts in turn. */
function pairs(flat: string[]): [string, number][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', Number(flat[2 * i + 1])]);
}
