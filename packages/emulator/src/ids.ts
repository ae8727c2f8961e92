/** Ids as Google's look, which follow from the emulator's seed. */
import { createHash } from 'node:crypto';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';
const HASH_BYTES = 32;

/** `length` of [a-z0-9], at most 64. */
export function letters(length: number, ...words: (string | number)[]): string {
  const bytes = [0, 1].flatMap((half) => [
    ...createHash('sha256')
      .update([half, ...words].join(':'))
      .digest(),
  ]);
  return bytes
    .slice(0, Math.min(length, 2 * HASH_BYTES))
    .map((byte) => LETTERS[byte % LETTERS.length])
    .join('');
}

/** `length` digits, at most 64, the first of which is not 0. */
export function digits(length: number, ...words: (string | number)[]): string {
  const drawn = letters(length, ...words);
  return Array.from(drawn, (letter, i) => LETTERS.indexOf(letter) % 10 || (i === 0 ? 1 : 0)).join('');
}

/** 23 letters of base64url, as those of a response. */
export function responseIdOf(...words: (string | number)[]): string {
  return createHash('sha256').update(words.join(':')).digest('base64url').slice(0, 23);
}
