import { type Check, type Found, ok, problem, warning } from './finding.ts';

/** A `date` header has whole seconds, and an answer has travelled. */
const APART_MS = 5_000;
/** Tokens and signatures are refused by clocks that are further apart. */
const REFUSED_MS = 240_000;

/** @param skewMs how far this machine's clock is ahead */
export function clockFinding(skewMs: number): Found {
  const apart = Math.abs(skewMs);
  if (apart < APART_MS) return ok('agrees with the clock of this machine');
  const what = `this machine's clock is ${Math.round(apart / 1_000)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  return (apart < REFUSED_MS ? warning : problem)(what, 'let a time service (NTP) set the clock');
}

/** @param skews by host of a provider, once the channels have been looked at; who was not seen is not in it */
export function providerClockCheck(skews: () => Promise<ReadonlyMap<string, number>>): Check {
  return {
    group: 'Clocks of providers',
    name: 'clock',
    run: async () => [...(await skews())].map(([host, skewMs]) => ({ ...clockFinding(skewMs), name: host })),
  };
}
