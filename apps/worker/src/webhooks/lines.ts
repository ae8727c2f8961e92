/**
 * How many posts go to each receiver at a time. Pure but for what it counts.
 *
 * The places of a process are few. A receiver begins with two of them, gets one more with each quick answer, up to ten, and
 * half of them taken away with each that is slow or no success. Receivers that are slow have half of all places between
 * them, so however many there are, the quick ones find the other half.
 */

/** One receiver's share, as it has earned it. */
type Line = { width: number; places: Set<Place>; slow: boolean };
/** A place that is taken, since then. */
export type Place = { receiver: string; since: number };

const FIRST_WIDTH = 2;
const SLOW_MS = 1_000;
/** Receivers that are remembered, for each place. */
const REMEMBERED = 10;

export type Lines = {
  /** How many more posts may begin now. @param others receivers that wait for places as well */
  room(receiver: string, others: number): number;
  take(receiver: string): Place;
  /** Gives the place back. @param post how it went, if there was one */
  free(place: Place, post?: { well: boolean; ms: number }): void;
  taken(): number;
};

/** @param now any clock that goes steadily, in milliseconds */
export function createLines(
  { places, perReceiver }: { places: number; perReceiver: number },
  now: () => number,
): Lines {
  const lines = new Map<string, Line>();
  let taken = 0;
  const lineOf = (receiver: string) => {
    const line = lines.get(receiver) ?? { width: Math.min(FIRST_WIDTH, perReceiver), places: new Set(), slow: false };
    lines.set(receiver, line);
    return line;
  };
  const isSlow = ({ slow, places: [oldest] }: Line) => slow || (oldest && now() - oldest.since > SLOW_MS);
  const heldBySlow = () =>
    [...lines.values()].reduce((sum, line) => sum + (line.places.size && isSlow(line) ? line.places.size : 0), 0);
  return {
    taken: () => taken,
    room: (receiver, others) => {
      const line = lineOf(receiver);
      const left = Math.min(places - taken, isSlow(line) ? Math.floor(places / 2) - heldBySlow() : places);
      const share = Math.max(1, Math.floor(left / (others + 1)));
      return Math.max(0, Math.min(line.width - line.places.size, share, left));
    },
    take: (receiver) => {
      const place = { receiver, since: now() };
      lineOf(receiver).places.add(place);
      taken++;
      return place;
    },
    free: (place, post) => {
      const line = lineOf(place.receiver);
      if (!line.places.delete(place)) return;
      taken--;
      if (post) judge(line, post, perReceiver);
      if (!line.places.size && lines.size > REMEMBERED * places) lines.delete(place.receiver);
    },
  };
}

function judge(line: Line, { well, ms }: { well: boolean; ms: number }, widthMax: number): void {
  line.slow = ms > SLOW_MS;
  line.width = well && !line.slow ? Math.min(widthMax, line.width + 1) : Math.max(1, Math.floor(line.width / 2));
}
