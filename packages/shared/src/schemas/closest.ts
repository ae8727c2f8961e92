/** Longer words are no slips of anybody's. */
const LENGTH_MAX = 64;
const SLIPS_MAX = 3;

/**
 * The candidate that `word` was most likely meant to be, or `undefined` when none is near.
 *
 * Case and what stands between words do not count (`aspectRatio` is `aspect_ratio`); beyond that one slip is forgiven
 * for every three characters: one too many, one missing, a wrong one, or two in the wrong order. Of two that are as
 * near, the first.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const asked = plain(word);
  if (asked === '' || asked.length > LENGTH_MAX) return undefined;
  let best: string | undefined;
  let least = Math.min(Math.floor(asked.length / 3), SLIPS_MAX) + 1;
  for (const candidate of candidates) {
    const name = plain(candidate);
    // So many slips it takes at the least.
    if (Math.abs(name.length - asked.length) >= least) continue;
    const slips = distance(asked, name);
    if (slips < least) [best, least] = [candidate, slips];
  }
  return best;
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** Optimal string alignment: the fewest slips that make one word of the other. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(above, j) + 1,
          at(row, j - 1) + 1,
          at(above, j - 1) + (same ? 0 : 1),
          swapped ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, above] = [above, row];
  }
  return at(above, b.length);
}

function at(row: readonly number[], n: number): number {
  return row[n] ?? Number.POSITIVE_INFINITY;
}
