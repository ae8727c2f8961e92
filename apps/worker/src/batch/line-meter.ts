import type { Answer } from '@darkroom/shared/domain';

/** Learns what result lines weigh, by the size of their image. */
export function createLineMeter() {
  const sums = new Map<string, { lines: number; bytes: number }>();
  return {
    /** Notes a line with something in it: a refusal weighs nothing and would teach the wrong thing. */
    note: (size: string | undefined, { blobs, body }: Answer): void => {
      if (size === undefined || !blobs.length) return;
      const sum = sums.get(size) ?? { lines: 0, bytes: 0 };
      sum.lines++;
      sum.bytes += JSON.stringify(body).length + blobs.reduce((all, { bytes }) => all + Math.ceil(bytes / 3) * 4, 0);
      sums.set(size, sum);
    },
    averages: (): Map<string, number> => new Map([...sums].map(([size, { lines, bytes }]) => [size, bytes / lines])),
  };
}
