import { randomBytes } from 'node:crypto';

/** Names one write, so that it is known again when it is sent twice: chance for the process, and a count. */
export function createNonces(): () => string {
  const process = randomBytes(6).toString('base64url');
  let count = 0;
  return () => `${process}${(count++).toString(36)}`;
}
