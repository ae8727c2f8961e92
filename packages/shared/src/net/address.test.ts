import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from './address.ts';

const NOT_PUBLIC_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

const toNumber = (ip: string): number => ip.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
const toDotted = (n: number): string => [24, 16, 8, 0].map((shift) => (n >>> shift) & 255).join('.');

/** First and last address of a network, worked out here without the library under test. */
function bounds(cidr: string): [number, number] {
  const [base = '', bits] = cidr.split('/');
  const first = toNumber(base);
  return [first, first + 2 ** (32 - Number(bits)) - 1];
}

const anyOf = ([first, last]: [number, number]): fc.Arbitrary<number> => fc.integer({ min: first, max: last });
const privateV4 = fc.constantFrom(...NOT_PUBLIC_V4).chain((cidr) => anyOf(bounds(cidr)));
const groups = (first: fc.Arbitrary<number>): fc.Arbitrary<string> =>
  fc
    .tuple(first, fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 7, maxLength: 7 }))
    .map(([head, rest]) => [head, ...rest].map((group) => group.toString(16)).join(':'));

describe('IPv4', () => {
  it.each(NOT_PUBLIC_V4)('keeps every address of %s out, up to its first and last', (cidr) => {
    const [first, last] = bounds(cidr);

    expect([first, last].map(toDotted).filter(isPublicAddress)).toEqual([]);
    fc.assert(fc.property(anyOf([first, last]), (n) => !isPublicAddress(toDotted(n))));
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.167.255.255',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
  ])('lets %s through, a neighbour of a network kept out', (ip) => {
    expect(isPublicAddress(ip)).toBe(true);
  });
});

describe('IPv6', () => {
  it.each([
    '::',
    '::1',
    '::127.0.0.1',
    '::8.8.8.8',
    '::ffff:0:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::1',
    '100::1',
    '2001::1',
    '2001:1ff:ffff::',
    '2001:db8::1',
    '2002:808:808::',
    '3fff::1',
    '3fff:fff:ffff::',
    '4000::',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fec0::1',
    'ff02::1',
  ])('keeps %s out', (ip) => {
    expect(isPublicAddress(ip)).toBe(false);
  });

  it.each(['2000::', '2001:200::1', '2001:4860:4860::8888', '2003::1', '2606:4700::1111', '3fff:1000::', '3ffe::1'])(
    'lets %s through',
    (ip) => {
      expect(isPublicAddress(ip)).toBe(true);
    },
  );

  it('keeps out whatever lies outside 2000::/3 and is no mapped IPv4', () => {
    const outside = fc.oneof(fc.integer({ min: 1, max: 0x1fff }), fc.integer({ min: 0x4000, max: 0xffff }));

    fc.assert(
      fc.property(groups(outside), (ip) => {
        expect(isPublicAddress(ip)).toBe(false);
      }),
    );
  });

  it('judges a mapped IPv4 address, in both spellings, as the IPv4 address it is', () => {
    fc.assert(
      fc.property(fc.oneof(privateV4, fc.integer({ min: 0, max: 0xffffffff })), (n) => {
        const hex = `::ffff:${(n >>> 16).toString(16)}:${(n & 0xffff).toString(16)}`;
        const verdict = isPublicAddress(toDotted(n));

        expect([isPublicAddress(`::ffff:${toDotted(n)}`), isPublicAddress(hex)]).toEqual([verdict, verdict]);
      }),
    );
  });
});

describe('anything else', () => {
  it.each([
    '',
    'localhost',
    '8.8.8',
    '134744072',
    '0x8.8.8.8',
    '010.8.8.8',
    '8.8.8.8 ',
    '[2606:4700::1111]',
    '8.8.8.8/32',
  ])('does not take %j for a public address', (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });

  it('keeps out an address with a zone id, which belongs to one link', () => {
    expect(isPublicAddress('2606:4700::1111%eth0')).toBe(false);
  });

  it('answers for any text without throwing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isPublicAddress(text)).toBeTypeOf('boolean');
      }),
    );
  });
});
