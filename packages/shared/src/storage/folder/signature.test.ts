import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { signPath, verifySignedUrl } from './signature.ts';

const KEY = randomBytes(32);
const NOW = Date.UTC(2026, 10, 20);
const file = { key: 'results/2026/image.png', expiresAt: NOW + 60_000, downloadName: undefined };

const objectKey = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_~:=-]{1,20}$/), { minLength: 1, maxLength: 5 })
  .map((segments) => segments.join('/'));

describe('verifySignedUrl', () => {
  it('accepts what signPath made, whatever the names', () => {
    fc.assert(
      fc.property(objectKey, fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }), (key, downloadName) => {
        const url = signPath({ key, expiresAt: NOW + 60_000, downloadName }, KEY);

        expect(verifySignedUrl(url, KEY, NOW)).toEqual({ key, expiresAt: NOW + 60_000, downloadName });
      }),
    );
  });

  it('accepts a key that a client has escaped', () => {
    const url = signPath({ ...file, key: 'a:b=c' }, KEY).replace('a:b=c', 'a%3Ab%3Dc');

    expect(verifySignedUrl(url, KEY, NOW)).toMatchObject({ key: 'a:b=c' });
  });

  it('refuses any URL in which one character was changed', () => {
    const url = signPath({ ...file, downloadName: 'image.png' }, KEY);
    fc.assert(
      fc.property(fc.nat(url.length - 1), fc.stringMatching(/^[A-Za-z0-9/?&=.-]$/), (at, other) => {
        const forged = url.slice(0, at) + other + url.slice(at + 1);
        // The last letter of base64url has bits that mean nothing.
        fc.pre(forged !== url && at !== url.length - 1);

        expect(verifySignedUrl(forged, KEY, NOW)).toBe('forbidden');
      }),
    );
  });

  it('refuses any text without failing', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (rest) => {
        expect(verifySignedUrl(`/files/${rest}`, KEY, NOW)).toBe('forbidden');
      }),
    );
  });

  it.each([
    '/files/a',
    '/files/../secret?expires=1&signature=x',
    '/files/%2e%2e/secret?expires=1&signature=x',
    '/files/%zz?expires=1&signature=x',
    '/other/a?expires=1&signature=x',
    '/files/a?expires=-1&signature=x',
    '/files/a?expires=1e9&signature=x',
    '/files/a?expires=99999999999999&signature=x',
  ])('refuses %s', (url) => {
    expect(verifySignedUrl(url, KEY, NOW)).toBe('forbidden');
  });

  it('refuses the signature of another key', () => {
    expect(verifySignedUrl(signPath(file, randomBytes(32)), KEY, NOW)).toBe('forbidden');
  });

  it('tells an expired URL from a forged one', () => {
    const url = signPath(file, KEY);

    expect(verifySignedUrl(url, KEY, NOW + 59_999)).toMatchObject({ key: file.key });
    expect(verifySignedUrl(url, KEY, NOW + 60_000)).toBe('expired');
  });

  it('refuses a life of more than 24 hours, even signed', () => {
    const url = signPath({ ...file, expiresAt: NOW + 25 * 60 * 60_000 }, KEY);

    expect(verifySignedUrl(url, KEY, NOW)).toBe('forbidden');
  });

  it('tells an empty name from none', () => {
    const url = signPath({ ...file, downloadName: '' }, KEY);

    expect(verifySignedUrl(url.replace('name=&', ''), KEY, NOW)).toBe('forbidden');
  });
});
