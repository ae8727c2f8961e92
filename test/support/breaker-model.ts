/** What breakers do, in few words and in memory: the real ones are held against it. */

import {
  type BreakerRules,
  type BreakerState,
  type CallEnd,
  type CallSays,
  type Override,
  saysOf,
} from '@darkroom/shared/domain';

/** What may be broken; `due` = a probe may be made. */
type Gate = { broken: boolean; due: boolean; probe?: string | undefined };
type PlaceModel = Gate & Counts & Callers & { goods: number; out: boolean; degraded: boolean };
/** `further` = blanks of whoever had the last one that counted; of these as of the others: now in a row, and in all. */
type Counts = { run: number; calls: number; faults: number; furtherRun: number; further: number };
/** Who called last, whether somebody else did lately, and whose blank was the last that counted. */
type Callers = { caller?: string | undefined; shared: boolean; blankBy?: string | undefined };
type NoteModel = { tenant: string; again: boolean };

export type BreakerModel = {
  enter: (model: string, attempt: string) => 'go' | 'probe' | 'closed';
  leave: (model: string, attempt: string) => void;
  /** @returns the transition */
  note: (model: string, attempt: string, end: CallEnd, about: NoteModel) => string | undefined;
  /** Whether this attempt was noted before. */
  isNoted: (model: string, attempt: string) => boolean;
  say: (word: Override | undefined) => void;
  /** Lets the cool-down of a place, or of the channel, be over. @returns whether there was one */
  coolOff: (model: string | undefined) => boolean;
  /** Lets the calls of all but the last tenant that called be long ago. @returns whether there was any call */
  beAlone: (model: string) => boolean;
  stand: (model: string) => { breaker: BreakerState; isOut: boolean; override: Override | undefined };
};

/** One channel. No span is ever over by itself. */
export function createBreakerModel(rules: BreakerRules): BreakerModel {
  let channel: Gate = { broken: false, due: false };
  let places = new Map<string, PlaceModel>();
  let override: Override | undefined;
  const noted = new Set<string>();

  const placeOf = (model: string) => {
    const place = places.get(model) ?? aPlace();
    places.set(model, place);
    return place;
  };
  const broken = (model: string) => [channel, placeOf(model)].filter((gate) => gate.broken);
  const leave = (model: string, attempt: string) =>
    [channel, placeOf(model)].map((gate) => {
      const held = gate.probe === attempt;
      if (held) gate.probe = undefined;
      return held;
    });
  const refused = (isProbe: boolean) => {
    const isNews = !channel.broken;
    if (isNews || isProbe) Object.assign(channel, { broken: true, due: false });
    return isNews ? 'out' : undefined;
  };
  const retired = (place: PlaceModel, isProbe: boolean) => {
    const isNews = !place.out;
    if (isNews || isProbe) open(place, true);
    return isNews ? 'out' : undefined;
  };
  const probed = (model: string, place: PlaceModel, isGood: boolean) => {
    if (!isGood) {
      open(place, place.out);
      return undefined;
    }
    place.goods++;
    if (place.goods < (place.out ? 1 : rules.goodProbes)) return undefined;
    places.set(model, { ...aPlace(), ...callersOf(place) });
    return 'recovered';
  };
  const counted = (place: PlaceModel, says: CallSays, tenant: string) => {
    if (says === 'blank' && place.blankBy === tenant) {
      place.further++;
      place.furtherRun++;
      if (place.shared) return undefined;
    } else {
      place.calls++;
      place.faults += says === 'good' ? 0 : 1;
      place.run = says === 'good' ? 0 : place.run + 1;
      place.furtherRun = says === 'good' ? 0 : place.furtherRun;
      if (says === 'blank') place.blankBy = tenant;
    }
    const [further, furtherRun] = place.shared ? [0, 0] : [place.further, place.furtherRun];
    const [calls, faults] = [place.calls + further, place.faults + further];
    const [rate, many] = [faults / calls, calls >= rules.callsMin];
    if (place.run + furtherRun >= rules.faultsInARow || (many && rate >= rules.openAt)) {
      open(place, false);
      return 'opened';
    }
    const isWell = (many && rate <= rules.recoveredAt) || (calls >= 3 && faults === 0);
    const isIll = many && rate >= rules.degradedAt;
    if (place.degraded ? !isWell : !isIll) return undefined;
    place.degraded = !place.degraded;
    return place.degraded ? 'degraded' : 'recovered';
  };

  return {
    enter: (model, attempt) => {
      if (override) return override === 'close' ? 'go' : 'closed';
      const gates = broken(model);
      if (gates.some(({ due, probe }) => !due || (probe ?? attempt) !== attempt)) return 'closed';
      for (const gate of gates) gate.probe = attempt;
      return gates.length ? 'probe' : 'go';
    },
    leave,
    isNoted: (model, attempt) => noted.has(`${model} ${attempt}`),
    note: (model, attempt, end, { tenant, again }) => {
      noted.add(`${model} ${attempt}`);
      const [probesChannel = false, probesPlace = false] = leave(model, attempt);
      const [place, says] = [placeOf(model), saysOf(end, { again })];
      if (override === 'close') return undefined;
      place.shared ||= (place.caller ?? tenant) !== tenant;
      place.caller = tenant;
      if (says === 'auth') return refused(probesChannel);
      if (probesChannel && says === 'good') {
        channel = { broken: false, due: false };
        return 'recovered';
      }
      if (probesChannel && says === 'fault') channel.due = false;
      if (says === 'retired') return retired(place, probesPlace);
      if (says === 'neutral' || (place.broken && !probesPlace)) return undefined;
      if (!place.broken) return counted(place, says, tenant);
      return says === 'blank' ? undefined : probed(model, place, says === 'good');
    },
    say: (word) => {
      override = word;
      if (word !== 'close') return;
      channel = { broken: false, due: false };
      places = new Map();
    },
    coolOff: (model) => {
      const gate = model === undefined ? channel : placeOf(model);
      gate.due = gate.broken;
      return gate.broken;
    },
    beAlone: (model) => {
      const place = placeOf(model);
      place.shared = false;
      return place.caller !== undefined;
    },
    stand: (model) => {
      const gates = broken(model);
      const state = gates.some(({ due }) => !due) ? 'open' : gates.length ? 'half_open' : 'closed';
      const forced = override && (override === 'close' ? 'closed' : 'open');
      return { breaker: forced ?? state, isOut: channel.broken || placeOf(model).out, override };
    },
  };
}

function aPlace(): PlaceModel {
  const counts = { run: 0, calls: 0, faults: 0, furtherRun: 0, further: 0 };
  return { broken: false, due: false, goods: 0, out: false, degraded: false, shared: false, ...counts };
}

/** What a place keeps when it forgets its calls. */
function callersOf({ caller, shared, blankBy }: PlaceModel): Callers {
  return { caller, shared, blankBy };
}

function open(place: PlaceModel, out: boolean): void {
  const { degraded } = place;
  Object.assign(place, { ...aPlace(), ...callersOf(place), broken: true, probe: undefined, out, degraded });
}
