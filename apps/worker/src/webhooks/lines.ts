/**
 * How many deliveries of each receiver are in hand at a time. Pure but for what it counts.
 *
 * The posts of a process are few. A receiver begins with two of them, gets one more with each quick answer, up to ten, and
 * half of them taken away with each that is slow or no success. Receivers that are slow, or have not answered yet, have half
 * of all posts between them: however many there are, the quick ones find the other half. Of those that have earned all they
 * can, as many again are taken in hand ahead: while they wait for their post, nobody waits for Redis.
 *
 * Of very many receivers, those are remembered that are in use or known to be quick: one that is forgotten begins anew.
 */

/** One receiver's share, as it has earned it. `slow` until it is known to be quick; `late` = places held for long. */
type Line = { receiver: string; width: number; places: Set<Place>; slow: boolean; late: number };
/** A delivery in hand, since then. */
export type Place = { line: Line; since: number };

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
  const lines = createMemory(REMEMBERED * posts, Math.min(FIRST_WIDTH, perReceiver));
  const forSlow = Math.max(1, Math.floor(posts / 2));
  /** Places that are not held for long yet, in the order they were taken. */
  const young = new Set<Place>();
  let taken = 0;
  let heldBySlow = 0;
  const change = (line: Line, act: () => void) => {
    if (isSlow(line)) heldBySlow -= line.places.size;
    act();
    if (isSlow(line)) heldBySlow += line.places.size;
  };
  const age = () => {
    for (const place of young) {
      if (now() - place.since <= SLOW_MS) return;
      young.delete(place);
      change(place.line, () => place.line.late++);
    }
  };
  return {
    room: (receiver, others) => {
      age();
      const line = lines.find(receiver);
      const held = line.places.size;
      const left = Math.min(AHEAD * posts - taken, isSlow(line) ? forSlow - heldBySlow : AHEAD * posts);
      const share = Math.max(1, Math.floor(left / (others + 1)));
      const width = line.width === perReceiver && !isSlow(line) ? AHEAD * perReceiver : line.width;
      const room = Math.max(0, Math.min(width - held, share, left));
      // A trip for one or two more is made only when there is nothing else to do.
      return held === 0 || room >= Math.min(share, width / 2) ? room : 0;
    },
    take: (receiver) => {
      const line = lines.use(receiver);
      const place = { line, since: now() };
      change(line, () => line.places.add(place));
      young.add(place);
      taken++;
      return place;
    },
    free: (place, post) => {
      const { line } = place;
      if (!line.places.has(place)) return;
      taken--;
      change(line, () => {
        line.places.delete(place);
        if (!young.delete(place)) line.late--;
        if (post) judge(line, post, perReceiver);
      });
      if (!line.places.size) lines.rest(line);
    },
  };
}

function isSlow({ slow, late }: Line): boolean {
  return slow || late > 0;
}

function judge(line: Line, { well, ms }: { well: boolean; ms: number }, widthMax: number): void {
  line.slow = ms > SLOW_MS;
  line.width = well && !line.slow ? Math.min(widthMax, line.width + 1) : Math.max(1, Math.floor(line.width / 2));
}

/** Lines by receiver; above `max`, of those at rest the slow ones are forgotten first, then the others, oldest first. */
function createMemory(max: number, firstWidth: number) {
  const lines = new Map<string, Line>();
  const atRest = { slow: new Set<Line>(), quick: new Set<Line>() };
  const find = (receiver: string): Line =>
    lines.get(receiver) ?? { receiver, width: firstWidth, places: new Set(), slow: true, late: 0 };
  return {
    /** A new one is not remembered yet. */
    find,
    use: (receiver: string): Line => {
      const line = find(receiver);
      lines.set(receiver, line);
      atRest.slow.delete(line);
      atRest.quick.delete(line);
      return line;
    },
    rest: (line: Line): void => {
      atRest[line.slow ? 'slow' : 'quick'].add(line);
      if (lines.size <= max) return;
      const group = atRest.slow.size ? atRest.slow : atRest.quick;
      for (const oldest of group) {
        group.delete(oldest);
        lines.delete(oldest.receiver);
        break;
      }
    },
  };
}
