import { array, assert, integer, property, string, uint8Array } from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { newWebhookSecret, ownWebhookSecret, signatureHeaders, signatureOf } from './sign.ts';
import { verifyWebhook } from './verify.ts';

const secrets = array(
  uint8Array({ minLength: 24, maxLength: 64 }).map((key) => `whsec_${Buffer.from(key).toString('base64')}`),
  { minLength: 1, maxLength: 3 },
);
/** `unit: 'binary'` is any text that can be written as UTF-8. */
const bodies = string({ unit: 'binary', maxLength: 300 });
const KEY = Buffer.alloc(32, 7);

describe('a signature', () => {
  it('is that of the example of the Standard Webhooks libraries', () => {
    const parts = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: '1614265330', body: '{"test": 2432232314}' };

    expect(signatureOf('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', parts)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  it('is that of the example by which verifying by hand is taught', () => {
    const body = '{"event_type":"ping","data":{"success":true}}';
    const parts = { id: 'msg_loFOjxBNrRLzqYUf', timestamp: '1731705121', body };

    expect(signatureOf('whsec_plJ3nmyCDGBKInavdOK15jsl', parts)).toBe(
      'v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=',
    );
  });

  it('is the one that the npm package makes, whatever is signed', () => {
    assert(
      property(secrets, bodies, integer({ min: 0, max: 4_000_000_000 }), ([secret = ''], body, seconds) => {
        const theirs = new Webhook(secret).sign('evt_1', new Date(seconds * 1_000), body);

        expect(signatureOf(secret, { id: 'evt_1', timestamp: String(seconds), body })).toBe(theirs);
      }),
    );
  });

  it('is taken by the npm package and by us for each of several secrets, and by neither for another', () => {
    const now = Date.now();
    assert(
      property(secrets, bodies, (all, body) => {
        const headers = signatureHeaders(all, { id: 'evt_1', body, at: now });
        const opens = (secret: string) => [
          verifyWebhook({ headers, body: Buffer.from(body) }, secret, now).type === 'verified',
          isTaken(() => new Webhook(secret).verify(body, headers, { jsonParse: false })),
        ];

        expect(headers['webhook-signature'].split(' ')).toHaveLength(all.length);
        expect(all.map(opens)).toEqual(all.map(() => [true, true]));
        expect(opens(newWebhookSecret())).toEqual([false, false]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a secret', () => {
  it('has 32 bytes that nobody has seen before', () => {
    const made = Array.from({ length: 20 }, newWebhookSecret);

    expect(new Set(made).size).toBe(20);
    for (const secret of made) {
      expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
      expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32);
    }
  });

  it('of addresses that jobs name is the same each time, and another one for each tenant, generation and key', () => {
    const made = [
      ownWebhookSecret(KEY, 'acme', 1),
      ownWebhookSecret(KEY, 'acme', 2),
      ownWebhookSecret(KEY, 'acme 1', 2),
      ownWebhookSecret(KEY, 'other', 1),
      ownWebhookSecret(Buffer.alloc(32, 8), 'acme', 1),
    ];

    expect(ownWebhookSecret(Buffer.from(KEY), 'acme', 1)).toBe(made[0]);
    expect(new Set(made).size).toBe(made.length);
    expect(made.every((secret) => /^whsec_[A-Za-z0-9+/]{43}=$/.test(secret))).toBe(true);
  });
});

function isTaken(verify: () => unknown): boolean {
  try {
    verify();
    return true;
  } catch {
    return false;
  }
}
