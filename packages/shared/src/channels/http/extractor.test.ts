import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlobSink } from '../../ports/spool.ts';
import { createExtractor, type Limits } from './extractor.ts';

const LIFTED = new Set(['data', 'thoughtSignature', 'thought_signature']);

/** A sink that keeps what it is given; with `slow`, only some time after `write` has returned. */
function memorySinks(slow = false): { open: (index: number) => BlobSink; bytes: (index: number) => Buffer } {
  const kept: Buffer[][] = [];
  return {
    open(index) {
      const chunks: Buffer[] = [];
      kept[index] = chunks;
      return {
        write(chunk) {
          if (!slow) return void chunks.push(Buffer.from(chunk));
          const at = chunks.push(Buffer.alloc(0)) - 1;
          return new Promise((resolve) => {
            setImmediate(() => {
              chunks[at] = Buffer.from(chunk);
              resolve();
            });
          });
        },
        close: async () => ({ path: '', bytes: 0, sha256: '', crc32c: 0 }),
      };
    },
    bytes: (index) => Buffer.concat(kept[index] ?? []),
  };
}

async function extract(chunks: Buffer[], options: { slow?: boolean; limits?: Limits } = {}) {
  const sinks = memorySinks(options.slow);
  const extractor = createExtractor(sinks.open, options.limits);
  for (const chunk of chunks) await extractor.push(chunk);
  const { skeleton, blobs } = await extractor.end();
  return { skeleton: skeleton.toString('utf8'), blobs: blobs.map((_, index) => sinks.bytes(index)) };
}

/** The slow and obvious way: parse, walk, decode. */
function reference(text: string): { skeleton: unknown; blobs: Buffer[] } {
  const blobs: Buffer[] = [];
  const skeleton: unknown = JSON.parse(text, function (this: unknown, key, value: unknown) {
    return typeof value === 'string' && LIFTED.has(key) && !Array.isArray(this) ? { lift: value } : value;
  });
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    if ('lift' in value && typeof value.lift === 'string') return `@blob:${blobs.push(decode(value.lift)) - 1}`;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
  };
  return { skeleton: walk(skeleton), blobs };
}

const decode = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'base64');

function cut(text: string, places: number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
}

/** Base64 as it may be found within a JSON string: both alphabets, padded or not, wrapped, escaped. */
const base64 = fc
  .record({
    bytes: fc.uint8Array({ maxLength: 300 }),
    url: fc.boolean(),
    padded: fc.boolean(),
    wrap: fc.constantFrom(0, 4, 7, 76),
    escape: fc.constantFrom('none', 'slash', 'unicode'),
  })
  .map(({ bytes, url, padded, wrap, escape }) => {
    let text = Buffer.from(bytes).toString(url ? 'base64url' : 'base64');
    if (!padded) text = text.replace(/=+$/, '');
    if (wrap) text = text.replace(new RegExp(`.{${wrap}}`, 'g'), '$&\n');
    const json = JSON.stringify(text);
    if (escape === 'slash') return json.replaceAll('/', '\\/');
    if (escape === 'unicode') return json.replace(/[+=AQ]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`);
    return json;
  });

const space = fc.constantFrom('', '', ' ', '\n  ', '\t\r\n');
const key = fc.oneof(
  fc.constantFrom('"data"', '"thoughtSignature"', '"thought_signature"', '"d\\u0061ta"', '"mimeType"', '"da\\"ta"'),
  // Objects list keys that look like indexes first, which would number the reference's blobs in another order.
  fc
    .string({ maxLength: 5 })
    .filter((text) => !/^\d+$/.test(text))
    .map((text) => JSON.stringify(text)),
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('\\', '\\\\', '"', '\\"', 'data', ':', '"data":"QQ=="', 'é😀'),
);
const plain = fc.oneof(
  text.map((value) => JSON.stringify(value)),
  fc.constantFrom('null', 'true', '-1.5e3', '{}', '[]'),
);

/** JSON text whose lifted fields hold base64. */
const { document } = fc.letrec<{ document: string; member: string; list: string; object: string }>((tie) => ({
  member: fc.tuple(key, space, space, base64, tie('document')).map(([name, before, after, lifted, other]) => {
    const lifts = LIFTED.has(String(JSON.parse(name)));
    return `${name}${before}:${after}${lifts && !/^[[{]/.test(other) ? lifted : other}`;
  }),
  object: fc.array(tie('member'), { maxLength: 5 }).map((members) => `{${unique(members).join(',')}}`),
  list: fc
    .tuple(space, fc.array(tie('document'), { maxLength: 4 }))
    .map(([gap, items]) => `[${items.join(`,${gap}`)}]`),
  document: fc.oneof({ maxDepth: 4 }, plain, base64, tie('object'), tie('list')),
}));

/** A key twice in one object would make the reference drop the first. */
function unique(members: string[]): string[] {
  return [...new Map(members.map((member) => [nameOf(member), member])).values()];
}

function nameOf(member: string): unknown {
  return JSON.parse(/^"(?:[^"\\]|\\.)*"/s.exec(member)?.[0] ?? '');
}

describe('the extractor', () => {
  it('yields what parsing and decoding would, wherever the body is cut', async () => {
    const places = fc.array(fc.nat(), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(document, places, fc.boolean(), async (body, cuts, slow) => {
        const lifted = await extract(cut(body, cuts), { slow });
        const expected = reference(body);

        expect(JSON.parse(lifted.skeleton)).toEqual(expected.skeleton);
        expect(lifted.blobs.map((blob) => blob.toString('hex'))).toEqual(expected.blobs.map((b) => b.toString('hex')));
      }),
      { numRuns: 4_000 },
    );
  });

  it('decodes megabytes in chunks of any size, byte by byte the same', async () => {
    const image = Buffer.from(Array.from({ length: 1_200_001 }, (_, n) => (n * 7919) >> (n % 7)));
    const body = JSON.stringify([
      { parts: [{ inlineData: { data: image.toString('base64'), mimeType: 'image/png' } }] },
    ]);
    for (const size of [1_021, 16_384, 65_536, 300_001]) {
      const chunks = Array.from({ length: Math.ceil(body.length / size) }, (_, n) =>
        Buffer.from(body.slice(n * size, (n + 1) * size)),
      );

      const { skeleton, blobs } = await extract(chunks);

      expect(skeleton).toBe('[{"parts":[{"inlineData":{"data":"@blob:0","mimeType":"image/png"}}]}]');
      expect(sha256(blobs[0])).toBe(sha256(image));
    }
  });

  it('decodes base64 wrapped into lines, and the same base64 with every slash escaped', async () => {
    const image = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31) % 253));
    const wrapped = image.toString('base64').replace(/.{76}/g, '$&\\n').replaceAll('/', '\\/');

    const { blobs } = await extract(cut(`{"data":"${wrapped}"}`, [1_000, 77_777, 200_001]));

    expect(sha256(blobs[0])).toBe(sha256(image));
  });

  it('passes a body that is no JSON through as it is', async () => {
    const { skeleton, blobs } = await extract([Buffer.from('<html><p class="data">502 Bad'), Buffer.from(' Gateway')]);

    expect(skeleton).toBe('<html><p class="data">502 Bad Gateway');
    expect(blobs).toEqual([]);
  });

  it('gives what it has of a body that breaks off within an image', async () => {
    const { skeleton, blobs } = await extract([Buffer.from('{"data":"QUJDREVG')]);

    expect(skeleton).toBe('{"data":"@blob:0"');
    expect(blobs[0]?.toString()).toBe('ABCDEF');
  });

  it('refuses a skeleton, a count of fields or a field beyond its limits', async () => {
    const limits = { skeletonBytes: 100, blobs: 2, blobBytes: 1_000 };
    const bodies = {
      'beside its binary fields': `{"text":"${'x'.repeat(200)}"}`,
      'more than 2 binary fields': '[{"data":"QQ=="},{"data":"QQ=="},{"data":"QQ=="}]',
      'more than 1000 bytes': `{"data":"${'QUJD'.repeat(400)}"}`,
    };
    for (const [words, body] of Object.entries(bodies)) {
      await expect(extract([Buffer.from(body)], { limits })).rejects.toThrow(words);
    }
  });
});

function sha256(bytes: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(bytes ?? '')
    .digest('hex');
}
