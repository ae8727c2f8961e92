/** Thought signatures: opaque base64 that weighs more than the image it comes with. */
import { createHash } from 'node:crypto';
import { toBase64 } from '../image/render.ts';
import { between, noise, type Random } from '../random.ts';
import { type Base64, base64Field } from './json.ts';

const REALISTIC_MIN = 800_000;
const REALISTIC_MAX = 2_200_000;
const POOL_BYTES = 4 * 1024 * 1024;
/** A hash in front makes each signature its own; the rest is shared. */
const OWN_BYTES = 30;

export type Signer = (owner: string, weight: number | 'realistic', random: Random) => Base64;

/** Signs with slices of one pool of noise, as base64 that is made once. */
export function createSigner(seed: string): Signer {
  let pool: Buffer | undefined;
  return (owner, weight, random) => {
    pool ??= toBase64(noise(`signature:${seed}`, POOL_BYTES));
    const bytes = weight === 'realistic' ? between(random, REALISTIC_MIN, REALISTIC_MAX) : weight;
    const own = createHash('sha256').update(owner).digest().subarray(0, OWN_BYTES);
    // Whole groups of four letters, so that the two pieces join into one valid base64 string.
    const letters = Math.floor((bytes - OWN_BYTES) / 3) * 4;
    return base64Field(toBase64(own), pool.subarray(0, letters));
  };
}
