import { randomBytes } from 'node:crypto';
import { assert, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSecretSeal } from './seal.ts';
import { newWebhookSecret } from './sign.ts';

const OWNER = { tenant: 'acme', id: 'whe_1' };
const { seal, open } = createSecretSeal(randomBytes(32));

describe('a sealed secret', () => {
  it('is opened for its endpoint', () => {
    assert(
      property(string(), (secret) => {
        expect(open(seal(secret, OWNER), OWNER)).toBe(secret);
      }),
    );
  });

  it('shows nothing of itself, and looks different each time', () => {
    const secret = newWebhookSecret();
    const sealed = [seal(secret, OWNER), seal(secret, OWNER)];

    expect(sealed[0]).not.toBe(sealed[1]);
    expect(Buffer.from(sealed.join(''), 'base64url').toString('latin1')).not.toContain(secret.slice(6, 16));
  });

  it.each([
    ['another endpoint', { ...OWNER, id: 'whe_2' }],
    ['another tenant', { ...OWNER, tenant: 'other' }],
    ['a tenant and endpoint that only read alike', { tenant: 'acmewhe_', id: '1' }],
  ])('is not opened for %s', (_, owner) => {
    expect(() => open(seal('whsec_x', OWNER), owner)).toThrow('DARKROOM_SECRET');
  });

  it('is not opened with another key, nor in another form', () => {
    const sealed = seal('whsec_x', OWNER);

    expect(() => createSecretSeal(randomBytes(32)).open(sealed, OWNER)).toThrow('DARKROOM_SECRET');
    for (const other of ['', 'g1.', 'whsec_x', sealed.slice(3), sealed.slice(0, 40)])
      expect(() => open(other, OWNER)).toThrow('DARKROOM_SECRET');
  });

  it('is not opened once a single bit of it has changed', () => {
    const bytes = Buffer.from(seal('whsec_abc', OWNER).slice(3), 'base64url');
    assert(
      property(integer({ min: 0, max: bytes.length * 8 - 1 }), (bit) => {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);

        expect(() => open(`g1.${changed.toString('base64url')}`, OWNER)).toThrow('DARKROOM_SECRET');
      }),
    );
  });
});
