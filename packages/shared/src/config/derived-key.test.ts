import { describe, expect, it } from 'vitest';
import { derivedKey } from './derived-key.ts';
import { Secret } from './env.ts';

const secret = new Secret('a secret that is long enough for all');

describe('derivedKey', () => {
  it('makes a key of 32 bytes, always the same one', () => {
    expect(derivedKey(secret, 'links').toString('hex')).toBe(
      derivedKey(new Secret(secret.reveal()), 'links').toString('hex'),
    );
    expect(derivedKey(secret, 'links')).toHaveLength(32);
  });

  it('makes another one for each use and each secret', () => {
    const keys = [
      derivedKey(secret, 'links'),
      derivedKey(secret, 'api-keys'),
      derivedKey(new Secret(`${secret.reveal()}!`), 'links'),
      Buffer.from(secret.reveal()).subarray(0, 32),
    ];

    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(4);
  });
});
