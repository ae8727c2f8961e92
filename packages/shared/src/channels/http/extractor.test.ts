import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BlobSink } from '../../ports/spool.ts';
import { createExtractor, type Limits } from './extractor.ts';

const LIFTED = new Set(['data', 'thoughtSignature', 'thought_signature', 'b64_json']);
const WHOLE_URL = new Set(['url', 'image_url']);
const HEAD = String.raw`data:image/[\w.+-]{1,60}(?:;[\w.=+-]{1,40})?;base64,`;
const IN_URL = new RegExp(`(${HEAD})([^]*)$`, 'i');
const IN_TEXT = new RegExp(`(${HEAD})([\\w+/=-]*)`, 'gi');

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
    if (typeof value !== 'string' || Array.isArray(this)) return value;
    if (LIFTED.has(key) && !value.startsWith('data:')) return { lift: value };
    if (LIFTED.has(key) || WHOLE_URL.has(key)) return { pattern: IN_URL, value };
    return key === 'content' ? { pattern: IN_TEXT, value } : value;
  });
  const lift = (base64: string) => `@blob:${blobs.push(decode(base64)) - 1}`;
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== 'object' || value === null) return value;
    if ('lift' in value && typeof value.lift === 'string') return lift(value.lift);
    if ('pattern' in value && value.pattern instanceof RegExp && 'value' in value) {
      return String(value.value).replace(value.pattern, (_, head: string, base64: string) => head + lift(base64));
    }
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

/** The beginning of a data URL of an image, raw. */
const head = fc
  .tuple(fc.constantFrom('png', 'jpeg', 'svg+xml', 'PNG;charset=utf-8'), fc.constantFrom('/', '\\/'))
  .map(([type, slash]) => `data:image${slash}${type};base64,`);
/** Base64 as it stands within a text: in one line, its signs perhaps escaped. */
const run = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.boolean(), fc.boolean()).map(([bytes, padded, escaped]) => {
  const whole = Buffer.from(bytes).toString('base64');
  const plain = padded ? whole : whole.replace(/=+$/, '');
  if (!escaped) return plain;
  return plain.replace(/[+=/]/g, (c) => (c === '/' ? '\\/' : `\\u00${c.charCodeAt(0).toString(16)}`));
});
/** What no base64 goes on with. */
const words = fc.constantFrom(')', ')\\n\\n![b](', ' ', '\\"', '\\\\', '.', '\\u00e9 ', '\\n', ') ;base64,QQ== (');
const markdown = fc
  .array(fc.tuple(words, head, run, words), { maxLength: 3 })
  .map((pieces) => `"${pieces.map(([before, ...rest]) => `a${before}${rest.join('')}`).join('')}"`);
const dataUrl = fc
  .tuple(fc.constantFrom('', ' ', 'see '), head, base64)
  .map(([lead, start, end]) => `"${lead}${start}${end.slice(1)}`);

const space = fc.constantFrom('', '', ' ', '\n  ', '\t\r\n');
const key = fc.oneof(
  fc.constantFrom('"data"', '"thoughtSignature"', '"thought_signature"', '"d\\u0061ta"', '"mimeType"', '"da\\"ta"'),
  fc.constantFrom('"url"', '"image_url"', '"content"', '"b64_json"'),
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
  member: fc
    .tuple(key, space, space, fc.record({ base64, dataUrl, markdown }), tie('document'))
    .map(([name, before, after, lifted, other]) => {
      const key = String(JSON.parse(name));
      const value = /^[[{]/.test(other) ? other : valueOf(key, lifted, other);
      return `${name}${before}:${after}${value}`;
    }),
  object: fc.array(tie('member'), { maxLength: 5 }).map((members) => `{${unique(members).join(',')}}`),
  list: fc
    .tuple(space, fc.array(tie('document'), { maxLength: 4 }))
    .map(([gap, items]) => `[${items.join(`,${gap}`)}]`),
  document: fc.oneof({ maxDepth: 4 }, plain, base64, tie('object'), tie('list')),
}));

function valueOf(key: string, lifted: Record<'base64' | 'dataUrl' | 'markdown', string>, other: string): string {
  if (LIFTED.has(key)) return key === 'b64_json' && lifted.base64.length > 99 ? lifted.dataUrl : lifted.base64;
  if (WHOLE_URL.has(key)) return lifted.dataUrl;
  return key === 'content' ? lifted.markdown : other;
}

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

  it('lifts the image out of a data URL and leaves its type in place', async () => {
    const body =
      '{"images":[{"image_url":{"url":"data:image/png;base64,QUJD"}}],"url":"https://a.example/;base64,QUJD"}';

    const { skeleton, blobs } = await extract(cut(body, [30, 41, 50, 57]));

    expect(skeleton).toBe(body.replace('QUJD', '@blob:0'));
    expect(blobs.map(String)).toEqual(['ABC']);
  });

  it('lifts the image out of a data URL in place of base64, wherever the body is cut', async () => {
    const body = '{"data":[{"b64_json":"data:image/png;base64,QUJD","url":null},{"b64_json":"dataQUJD"}]}';
    for (let at = 0; at <= body.length; at++) {
      const { skeleton, blobs } = await extract(cut(body, [at, at + 1]));

      expect(skeleton).toBe(body.replace('QUJD', '@blob:0').replace('dataQUJD', '@blob:1'));
      expect(blobs.map((blob) => blob.toString('base64'))).toEqual(['QUJD', 'dataQUJD']);
    }
  });

  it('lifts each image out of a text, and nothing but images', async () => {
    const words = [
      String.raw`![a](data:image/png;base64,QUJD)\n`,
      String.raw`<img src=\"data:image\/webp;base64,RE\u002bG\/\">`,
      'data:text/plain;base64,QUJD',
    ];
    const body = `{"content":"${words.join(' ')}"}`;

    const { skeleton, blobs } = await extract(cut(body, [20, 40, 90, 92, 95]));

    expect(skeleton).toBe(body.replace('QUJD', '@blob:0').replace(String.raw`RE\u002bG\/`, '@blob:1'));
    expect(blobs.map(String)).toEqual(['ABC', String(Buffer.from('RE+G/', 'base64'))]);
  });

  it('passes a body that is no JSON through as it is', async () => {
    const { skeleton, blobs } = await extract([Buffer.from('<html><p class="data">502 Bad'), Buffer.from(' Gateway')]);

    expect(skeleton).toBe('<html><p class="data">502 Bad Gateway');
    expect(blobs).toEqual([]);
  });

  it('gives what it has of a body that breaks off within an image', async () => {
    const { skeleton, blobs } = await extract([Buffer.from('{"data":"QUJDREVG')]);

    expect(skeleton).toBe('{"data":"@blob:0');
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
