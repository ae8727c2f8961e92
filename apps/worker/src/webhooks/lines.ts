/**
 * How many deliveries of each receiver are in hand at a time. Pure but for what it counts.
 *
 * The posts of a process are few. A receiver begins with two of them, gets one more with each quick answer, up to ten, and
 * half of them taken away with each that is slow or no success. Receivers that are slow, or have not answered yet, have half
 * of all posts between them: however many there are, the quick ones find the other half. Of those that have earned all they can, as many
 * again are taken in hand ahead: while they wait for their post, nobody waits for Redis.
 */

/** One receiver's share, as it has earned it. `slow` until it is known to be quick. */
type Line = { width: number; places: Set<Place>; slow: boolean };
/** A delivery in hand, since then. */
export type Place = { receiver: string; since: number };

const FIRST_WIDTH = 2;
const SLOW_MS = 1_000;
/** In hand for each post. */
const AHEAD = 2;
/** Receivers that are remembered, for each post. */
const REMEMBERED = 10;

export type Lines = {
  /** How many more may be taken in hand now, if it is worth it. @param others receivers that wait as well */
  room(receiver: string, others: number): number;
  take(receiver: string): Place;
  /** Gives the place back. @param post how it went, if there was one */
  free(place: Place, post?: { well: boolean; ms: number }): void;
};

/** @param now any clock that goes steadily, in milliseconds */
export function createLines({ posts, perReceiver }: { posts: number; perReceiver: number }, now: () => number): Lines {
  const lines = new Map<string, Line>();
  let taken = 0;
  const lineOf = (receiver: string) => {
    const line = lines.get(receiver) ?? { width: Math.min(FIRST_WIDTH, perReceiver), places: new Set(), slow: true };
    lines.set(receiver, line);
    return line;
  };
  const isSlow = ({ slow, places: [oldest] }: Line) => slow || (oldest && now() - oldest.since > SLOW_MS);
  const heldBySlow = () =>
    [...lines.values()].reduce((sum, line) => sum + (line.places.size && isSlow(line) ? line.places.size : 0), 0);
  return {
    room: (receiver, others) => {
      const line = lineOf(receiver);
      const held = line.places.size;
      const left = Math.min(AHEAD * posts - taken, isSlow(line) ? Math.floor(posts / 2) - heldBySlow() : AHEAD * posts);
      const share = Math.max(1, Math.floor(left / (others + 1)));
      const width = line.width === perReceiver && !isSlow(line) ? AHEAD * perReceiver : line.width;
      const room = Math.max(0, Math.min(width - held, share, left));
      // A trip for one or two more is made only when there is nothing else to do.
      return held === 0 || room >= Math.min(share, width / 2) ? room : 0;
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
      if (!line.places.size && lines.size > REMEMBERED * posts) lines.delete(place.receiver);
    },
  };
}

function judge(line: Line, { well, ms }: { well: boolean; ms: number }, widthMax: number): void {
  line.slow = ms > SLOW_MS;
  line.width = well && !line.slow ? Math.min(widthMax, line.width + 1) : Math.max(1, Math.floor(line.width / 2));
}
