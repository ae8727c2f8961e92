import { createHmac } from 'node:crypto';
import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { verifyWebhook } from './verify.ts';

/** The example of the Standard Webhooks libraries. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const BODY = '{"test": 2432232314}';
const AT_S = 1_614_265_330;
const GOOD = 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=';
const OTHER = `v1,${Buffer.alloc(32, 7).toString('base64')}`;
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJqdGkiOiJ4In0.c2lnbmF0dXJl';

function verify(changed: Record<string, string | undefined> = {}, body = BODY, nowMs = AT_S * 1_000) {
  const headers = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': String(AT_S),
    'webhook-signature': GOOD,
    ...changed,
  };
  return verifyWebhook({ headers, body: Buffer.from(body) }, SECRET, nowMs);
}

describe('a webhook', () => {
  it('is verified by the signature that other libraries give it', () => {
    expect(verify()).toEqual({ type: 'verified', id: 'msg_p5jXN8AQM9LWM0D4loKWxJek' });
  });

  it.each([
    ['the last of several', `${OTHER} ${JWT} v1a,abc ${GOOD}`],
    ['the first of several', `${GOOD} ${OTHER}`],
  ])('is verified by one signature that fits, %s', (_, signature) => {
    expect(verify({ 'webhook-signature': signature }).type).toBe('verified');
  });

  it.each([
    ['another signature', { 'webhook-signature': OTHER }, 'fits'],
    ['a signature without its version', { 'webhook-signature': GOOD.slice(3) }, 'v1,'],
    ['a signature of another version', { 'webhook-signature': GOOD.replace('v1', 'v2') }, 'v1,'],
    ['a shorter signature', { 'webhook-signature': GOOD.slice(0, 20) }, 'fits'],
    ['a JWT', { 'webhook-signature': JWT }, 'v1,'],
    ['no signature', { 'webhook-signature': undefined }, 'v1,'],
    ['an empty signature', { 'webhook-signature': '' }, 'v1,'],
    ['another id', { 'webhook-id': 'msg_other' }, 'fits'],
    ['no id', { 'webhook-id': undefined }, 'webhook-id'],
    ['a long id', { 'webhook-id': 'x'.repeat(257) }, 'webhook-id'],
    ['another time', { 'webhook-timestamp': String(AT_S + 1) }, 'fits'],
    ['no time', { 'webhook-timestamp': undefined }, 'webhook-timestamp'],
    ['a time that is none', { 'webhook-timestamp': `${AT_S}.5` }, 'webhook-timestamp'],
  ])('is refused with %s', (_, headers, reason) => {
    expect(verify(headers)).toEqual({ type: 'refused', reason: expect.stringContaining(reason) });
  });

  it.each([
    [300_000, 'verified'],
    [-300_000, 'verified'],
    [300_001, 'refused'],
    [-300_001, 'refused'],
  ])('that is %i ms old is %s', (age, type) => {
    expect(verify({}, BODY, AT_S * 1_000 + age).type).toBe(type);
  });

  it('is verified as it was signed, and refused with any other body', () => {
    const bytes = uint8Array({ maxLength: 200 });
    assert(
      property(bytes, bytes, uint8Array({ minLength: 24, maxLength: 64 }), (body, other, key) => {
        const text = Buffer.concat([Buffer.from(`id.${AT_S}.`), body]);
        const headers = {
          'webhook-id': 'id',
          'webhook-timestamp': String(AT_S),
          'webhook-signature': `v1,${createHmac('sha256', key).update(text).digest('base64')}`,
        };
        const secret = `whsec_${Buffer.from(key).toString('base64')}`;

        expect(verifyWebhook({ headers, body }, secret, AT_S * 1_000).type).toBe('verified');
        const same = Buffer.compare(body, other) === 0;
        expect(verifyWebhook({ headers, body: other }, secret, AT_S * 1_000).type).toBe(same ? 'verified' : 'refused');
      }),
    );
  });
});
