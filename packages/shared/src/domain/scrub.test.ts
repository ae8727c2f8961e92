import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scrub } from './scrub.ts';

describe('scrub', () => {
  it.each([
    ['a Google key', 'key AIzaSyA1234567890abcdefghijklmnopqrstuvw refused', 'key [key] refused'],
    ['a bearer token', 'sent Authorization: Bearer ya29.a0AfH6SNe-x_y', 'sent Authorization: [removed] [removed]'],
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
