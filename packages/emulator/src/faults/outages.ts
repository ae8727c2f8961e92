/** The bad times that are planned or under way: which calls they strike, and how slow they make the rest. */
import type { Clock } from '../clock.ts';
import { createRandom, type Random } from '../random.ts';
import type { Outage, Phase } from './outage.ts';
import type { Fault } from './rules.ts';
import type { Subject } from './script.ts';

/** One outage as it stands. Instants are of the time it keeps. */
export type OutageView = Outage & {
  state: 'planned' | 'running' | 'over';
  /** 0-based, while it runs. */
  phase?: number;
  /** When its present phase began, and when it is over. */
  since?: number;
  until?: number;
  /** Calls that met it, and how many of them it struck. */
  met: number;
  struck: number;
};

export type Outages = {
  /** Puts these in place of all others; each begins now, or `afterMs` later. */
  replace(outages: readonly Outage[]): void;
  /** Begins one more, or one of the same name anew. */
  start(outage: Outage): OutageView;
  /** Ends one. Returns whether there was one that was not over. */
  end(name: string): boolean;
  list(): OutageView[];
  /** What strikes this call, if anything does. Counts it. */
  choose(subject: Subject): Fault | undefined;
  /** Factor on the latency of this call. */
  latency(subject: Subject): number;
};

type Running = {
  outage: Outage;
  random: Random;
  /** Phases begun so far, over all rounds; -1 = it is planned. */
  begun: number;
  since: number;
  until: number;
  met: number;
  struck: number;
};
type Parts = { seed: string; clock: Pick<Clock, 'now'>; now: () => number };

export function createOutages({ seed, clock, now }: Parts, planned: readonly Outage[] = []): Outages {
  let running = new Map<string, Running>();

  const timeOf = ({ clock: kept }: Outage) => (kept === 'own' ? clock.now() : now());

  function begin(outage: Outage): Running {
    const at = timeOf(outage);
    const random = createRandom(seed, 'outage', outage.name);
    const begun = { outage, random, begun: -1, since: at, until: at + outage.afterMs, met: 0, struck: 0 };
    running.set(outage.name, begun);
    return begun;
  }

  /** The phase an outage is in, once it is brought up to its time. */
  function phaseOf(state: Running): Phase | undefined {
    const { outage } = state;
    const { phases, times } = outage;
    const at = timeOf(outage);
    while (at >= state.until && state.begun < phases.length * times) {
      state.begun += 1;
      state.since = state.until;
      state.until += lengthOf(seed, outage, state.begun);
    }
    return state.begun < 0 || isOver(state) ? undefined : phases[state.begun % phases.length];
  }

  function* meeting(subject: Subject): Generator<{ state: Running; phase: Phase }> {
    if (NO_CALLS.has(subject.route)) return;
    for (const state of running.values()) {
      const phase = matches(state.outage, subject) ? phaseOf(state) : undefined;
      if (phase) yield { state, phase };
    }
  }

  function viewOf(state: Running): OutageView {
    const phase = phaseOf(state);
    const { outage, since, until, met, struck } = state;
    const counts = { ...outage, met, struck };
    if (!phase) return { ...counts, state: isOver(state) ? 'over' : 'planned' };
    return { ...counts, state: 'running', phase: outage.phases.indexOf(phase), since, until };
  }

  const outages: Outages = {
    replace(next) {
      running = new Map();
      for (const outage of next) begin(outage);
    },
    start: (outage) => viewOf(begin(outage)),
    end(name) {
      const state = running.get(name);
      if (!state || (phaseOf(state) === undefined && isOver(state))) return false;
      state.begun = Number.POSITIVE_INFINITY;
      return true;
    },
    list: () => [...running.values()].map(viewOf),
    choose(subject) {
      for (const { state, phase } of meeting(subject)) {
        state.met += 1;
        if (state.random() >= phase.share) continue;
        state.struck += 1;
        return phase.fault;
      }
      return undefined;
    },
    latency(subject) {
      let factor = 1;
      for (const { state, phase } of meeting(subject)) {
        const [from, to] = typeof phase.latency === 'number' ? [phase.latency, phase.latency] : phase.latency;
        const passed = (timeOf(state.outage) - state.since) / (state.until - state.since);
        factor *= from + (to - from) * passed;
      }
      return factor;
    },
  };
  outages.replace(planned);
  return outages;
}

const NO_CALLS: ReadonlySet<string> = new Set(['batch_line', 'deliver_webhook']);

function isOver({ begun, outage }: Running): boolean {
  return begun >= outage.phases.length * outage.times;
}

/** How long the nth phase lasts, over all rounds; nothing, after the last. */
function lengthOf(seed: string, { name, phases, times, jitter }: Outage, nth: number): number {
  const phase = phases[nth % phases.length];
  if (!phase || nth >= phases.length * times) return 0;
  const swing = jitter * (2 * createRandom(seed, 'phase', name, nth)() - 1);
  return Math.max(1, Math.round(phase.ms * (1 + swing)));
}

function matches({ match }: Outage, subject: Subject): boolean {
  return (
    (match.project ?? subject.project) === subject.project &&
    (match.mode ?? subject.mode) === subject.mode &&
    (match.route ?? subject.route) === subject.route &&
    (match.model ?? subject.model) === subject.model
  );
}
