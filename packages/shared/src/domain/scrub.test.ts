import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scrub } from './scrub.ts';

describe('scrub', () => {
  it.each([
    ['a Google key', 'key AIzaSyA1234567890abcdefghijklmnopqrstuvw refused', 'key [key] refused'],
    ['a bearer token', 'sent Authorization: Bearer ya29.a0AfH6SNe-x_y', 'sent Authorization: [removed]'],
    ['an access token', 'token ya29.a0AfH6SNexyz123 expired', 'token [key] expired'],
    [
      'a query string',
      'GET https://h.example/v1/x?key=abc&alt=sse failed',
      'GET https://h.example/v1/x?[removed] failed',
    ],
    ['a named secret', '{"api_key": "abcdef", "a": 1}', '{"api_key": "[removed]", "a": 1}'],
    ['a signed token', 'jwt eyJhbGciOiJI.eyJzdWIiOiIx.sig here', 'jwt [token] here'],
    ['a key of another house', 'Incorrect key sk-proj-abcdefghijkl1234', 'Incorrect key [key]'],
    ['image data', `part ${'iVBORw0KGgo'.repeat(20)}== ends`, 'part [data] ends'],
    ['line breaks and control characters', ' a\r\n\tb\u0000c\u001b ', 'a b c'],
  ])('takes out %s', (_, text, expected) => {
    expect(scrub(text)).toBe(expected);
  });

  it.each([
    'Basic Y2FuYXJ5OmNhbmFyeQ==',
    'basic Y2FuYXJ5OmNhbmFyeQ',
    'Bearer Y2FuYXJ5-canary',
    'Token canary-1',
    'ApiKey canary-1',
    'Digest username="canary-1", nonce="canary-2", response="canary-3"',
    'AWS4-HMAC-SHA256 Credential=canary-1/20261121, Signature=canary-2',
    'canary-without-a-scheme',
  ])('takes out all of what an authorization says: %s', (value) => {
    const texts = [
      `Authorization: ${value}\r\nserver: a`,
      `{"authorization":${JSON.stringify(value)}}`,
      `proxy-authorization = '${value}'`,
    ];

    for (const text of texts) expect(scrub(text)).not.toMatch(/canary|Y2Fu/);
    expect(scrub(texts[0] ?? '')).toBe('Authorization: [removed] server: a');
  });

  describe('of secrets that are known', () => {
    it.each([
      ['a value', 'canary-1', 'x-key: canary-1, "canary-1"', 'x-key: [removed], "[removed]"'],
      ['what follows its scheme', 'Basic Y2FuYXJ5', 'you sent Y2FuYXJ5', 'you sent [removed]'],
      ['a signature', 'v1,g0hM9SsE+OTPJTGt/tm=', 'v1: g0hM9SsE+OTPJTGt\\/tm=', 'v1: [removed]'],
      ['what JSON escapes', 'ca"nary', '{"x":"ca\\"nary"}', '{"x":"[removed]"}'],
      ['what a URL escapes', 'ca/nary=', 'a=ca%2Fnary%3D', 'a=[removed]'],
    ])('takes out %s', (_, secret, text, expected) => {
      expect(scrub(text, [secret])).toBe(expected);
    });

    it('takes out none that anything may say by chance', () => {
      expect(scrub('7 of 17', ['7', ''])).toBe('7 of 17');
    });

    it('leaves no part of one at the edge of what is kept', () => {
      fc.assert(
        fc.property(fc.string({ maxLength: 1_200 }), (before) => {
          expect(scrub(`${before} canary-and-canary`, ['canary-and-canary']) ?? '').not.toContain('canary');
        }),
      );
    });
  });

  it('leaves plain words alone', () => {
    const words = 'Image part is missing a thought_signature in content position 2, part position 1.';

    expect(scrub(words)).toBe(words);
  });

  it('is silent about nothing', () => {
    expect(scrub(' \n ')).toBeUndefined();
    expect(scrub('<html><body></body></html>')).toBeUndefined();
  });

  it('keeps at most 500 characters, and no key at the edge', () => {
    const key = 'AIzaSyA1234567890abcdefghijklmnopqrstuvw';
    fc.assert(
      fc.property(fc.string({ maxLength: 1_200 }), fc.string({ maxLength: 300 }), (before, after) => {
        const words = scrub(`${before} ${key} ${after}`) ?? '';

        expect(words.length).toBeLessThanOrEqual(500);
        expect(words).not.toContain('AIzaSy');
      }),
    );
  });
});
