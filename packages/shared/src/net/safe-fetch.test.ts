import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { isPublicAddress } from './address.ts';
import { createSafeFetch } from './safe-fetch.ts';

type Seen = { lookups: string[]; dials: string[] };

/** A guard whose connector dials nothing: it writes down where it was sent, then fails. */
async function attempt(url: string, answers: string[] = []): Promise<Seen> {
  const seen: Seen = { lookups: [], dials: [] };
  const { download } = createSafeFetch({
    async lookup(hostname) {
      seen.lookups.push(hostname);
      return answers;
    },
    connect({ hostname }, callback) {
      seen.dials.push(hostname);
      callback(new Error('nothing is dialled here'), null);
    },
  });
  await expect(download(url, { maxBytes: 1 })).rejects.toMatchObject({ code: 'invalid_request', retryable: false });
  return seen;
}

const octets = fc.tuple(...([0, 1, 2, 3] as const).map(() => fc.integer({ min: 0, max: 255 })));
const privateV4 = fc
  .tuple(
    fc.constantFrom([127], [10], [169, 254], [172, 16], [172, 31], [192, 168], [100, 64], [0], [198, 18], [240]),
    octets,
  )
  .map(([prefix, tail]) => [...prefix, ...tail].slice(0, 4));
const publicV4 = octets.filter((address) => isPublicAddress(address.join('.')));

/** How one number of a dotted address may be written. */
const digits = fc.constantFrom(
  (n: number) => String(n),
  (n: number) => `0${n.toString(8)}`,
  (n: number) => `0000${n.toString(8)}`,
  (n: number) => `0x${n.toString(16)}`,
  (n: number) => `0X00${n.toString(16).toUpperCase()}`,
);

/** How the characters of a host may be disguised: each is undone by the URL parser. */
const disguise = fc.constantFrom(
  (host: string) => host,
  (host: string) => `${host}.`,
  (host: string) => host.replace(/\d/, (digit) => `%${digit.charCodeAt(0).toString(16)}`),
  (host: string) => host.replaceAll(/\d/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)),
  (host: string) => host.replaceAll('.', '\u3002'),
);

/** Any spelling of an IPv4 address with one to four numbers, the last of which takes what is left. */
const spelled = (address: fc.Arbitrary<number[]>): fc.Arbitrary<{ host: string; dotted: string }> =>
  fc
    .record({
      address,
      parts: fc.integer({ min: 1, max: 4 }),
      write: fc.tuple(digits, digits, digits, digits),
      disguise,
    })
    .map(({ address, parts, write, disguise }) => {
      const head = address.slice(0, parts - 1);
      const last = address.slice(parts - 1).reduce((sum, octet) => sum * 256 + octet, 0);
      const written = [...head, last].map((n, i) => (write[i] ?? String)(n));
      return { host: disguise(written.join('.')), dotted: address.join('.') };
    });

const hex = (address: number[]): string =>
  `${(((address[0] ?? 0) << 8) | (address[1] ?? 0)).toString(16)}:${(((address[2] ?? 0) << 8) | (address[3] ?? 0)).toString(16)}`;
const inV6 = fc.constantFrom(
  (a: number[]) => `[::ffff:${a.join('.')}]`,
  (a: number[]) => `[::ffff:${hex(a)}]`,
  (a: number[]) => `[0:0:0:0:0:FFFF:${hex(a)}]`,
  (a: number[]) => `[::${a.join('.')}]`,
  (a: number[]) => `[::ffff:0:${a.join('.')}]`,
  (a: number[]) => `[64:ff9b::${a.join('.')}]`,
  (a: number[]) => `[64:ff9b:1::${hex(a)}]`,
  (a: number[]) => `[2002:${hex(a)}::1]`,
  (a: number[]) => `[2001:0:${hex(a)}::1]`,
);

it('dials nothing and resolves nothing for any spelling of a private IPv4 address', async () => {
  await fc.assert(
    fc.asyncProperty(spelled(privateV4), async ({ host }) => {
      expect(await attempt(`https://${host}/a.png`)).toEqual({ lookups: [], dials: [] });
    }),
    { numRuns: 500 },
  );
});

it('dials nothing for a private IPv4 address inside any kind of IPv6 address', async () => {
  await fc.assert(
    fc.asyncProperty(privateV4, inV6, async (address, wrap) => {
      expect(await attempt(`https://${wrap(address)}/a.png`)).toEqual({ lookups: [], dials: [] });
    }),
    { numRuns: 300 },
  );
});

it('dials exactly the address meant by any spelling of a public IPv4 address', async () => {
  await fc.assert(
    fc.asyncProperty(spelled(publicV4), async ({ host, dotted }) => {
      expect(await attempt(`https://${host}/a.png`)).toEqual({ lookups: [], dials: [dotted] });
    }),
    { numRuns: 300 },
  );
});

it('dials addresses of a name only when every one of them is public, and resolves it once', async () => {
  const address = fc.oneof(privateV4, publicV4).map((octets) => octets.join('.'));

  await fc.assert(
    fc.asyncProperty(fc.array(address, { maxLength: 8 }), async (answers) => {
      const dials = answers.every(isPublicAddress) ? answers.slice(0, 4) : [];

      expect(await attempt('https://photos.example/a.png', answers)).toEqual({ lookups: ['photos.example'], dials });
    }),
    { numRuns: 300 },
  );
});

it('refuses any text at all with one kind of error', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string(), fc.webUrl({ withFragments: true, withQueryParameters: true })),
      async (text) => {
        expect((await attempt(text, ['127.0.0.1'])).dials).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});

it('names the fix, never the address behind the name', async () => {
  const { download } = createSafeFetch({ lookup: async () => ['10.77.1.2'] });

  const error = await download('https://intranet.example/', { maxBytes: 1 }).catch((thrown: unknown) => thrown);

  expect(error).toMatchObject({ code: 'invalid_request', fix: expect.stringContaining('public') });
  expect(JSON.stringify([error, String(error)])).not.toContain('10.77');
});
