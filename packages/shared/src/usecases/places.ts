/**
 * How channels stand, as lately looked at: which of them is asked first. What is exact is asked of each when its turn comes,
 * so a look may be old, and is shared by all jobs of this process.
 */

import type { EpochMs, Place } from '../domain/index.ts';
import type { Breakers, Clock, PlaceStanding, PlaceState, Quotas } from '../ports/index.ts';

const FRESH_MS = 250;
/** Places looked at in a process: channels × models, which are few. */
const KEPT_MAX = 2_000;

export type Seen = { standing: PlaceStanding; quota: PlaceState; at: EpochMs };

export type Places = {
  /** In the order of `places`; `at` by this process's clock. */
  of(places: Place[]): Promise<(Seen | undefined)[]>;
  /** Something is known to have changed there. */
  forget(place: Place): void;
};

/** @param options `freshMs`: how old a look may be */
export function createPlaces({
  breakers,
  quotas,
  clock,
  freshMs = FRESH_MS,
}: {
  breakers: Pick<Breakers, 'stand'>;
  quotas: Pick<Quotas, 'look'>;
  clock: Clock;
  freshMs?: number;
}): Places {
  const known = new Map<string, Seen>();

  async function look(places: Place[]): Promise<void> {
    const [standings, quota] = await Promise.all([breakers.stand(places), quotas.look(places)]);
    if (known.size > KEPT_MAX) known.clear();
    places.forEach((place, n) => {
      const [standing, state] = [standings[n], quota[n]];
      if (standing && state) known.set(nameOf(place), { standing, quota: state, at: clock.now() });
    });
  }

  return {
    of: async (places) => {
      const fresh = clock.now() - freshMs;
      const stale = places.filter((place) => (known.get(nameOf(place))?.at ?? 0) < fresh);
      if (stale.length) await look(stale);
      return places.map((place) => known.get(nameOf(place)));
    },
    forget: (place) => {
      known.delete(nameOf(place));
    },
  };
}

function nameOf({ channel, model }: Place): string {
  return `${channel} ${model}`;
}
