/** Chance, made repeatable: every draw of a call follows from the emulator's seed and the call's number. */
import { createCipheriv, createHash } from 'node:crypto';

/** Uniform in [0, 1). */
export type Random = () => number;

const TWO_TO_32 = 2 ** 32;

/** A generator that yields the same numbers for the same words (mulberry32 over a hash of them). */
export function createRandom(...words: (string | number)[]): Random {
  let state = createHash('sha256').update(words.join(':')).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / TWO_TO_32;
  };
}

/** A whole number in [min, max], both included. */
export function between(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** A log-normal draw: half of all draws lie below `median`. */
export function logNormal(random: Random, median: number, sigma: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return median * Math.exp(sigma * normal);
}

/** `bytes` of noise that does not compress and is the same for the same seed. */
export function noise(seed: string, bytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}
