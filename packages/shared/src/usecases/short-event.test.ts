import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import type { BatchView, JobView } from '../schemas/index.ts';
import { shortBatch, shortJob } from './short-event.ts';

const BYTES_MAX = 20_000;
const NOW = '2026-11-21T06:00:00.000Z';
const ID = 'x'.repeat(128);

/** Each as long as it may be: control characters take six bytes of JSON. */
const text = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom('a', '\u0001', '"', '猫', '🖼'), minLength: 0, maxLength });
const image = fc.record({
  id: fc.constant(`img_${ID}`),
  url: fc.integer({ min: 10, max: 1_500 }).map((length) => `https://storage.example/${'x'.repeat(length)}`),
  mime: fc.constant('image/png' as const),
  width: fc.constant(4_096),
  height: fc.constant(4_096),
  bytes: fc.constant(20_000_000),
  sha256: fc.constant('0'.repeat(64)),
  thumbnail_url: fc.constant(`/v1/jobs/${ID}/images/0/thumbnail`),
});
const views = fc.record({
  tags: fc.array(text(64), { maxLength: 16 }),
  metadata: fc.dictionary(fc.stringMatching(/^[a-z]{1,64}$/), text(512), { maxKeys: 32 }),
  images: fc.array(image, { maxLength: 2 }),
  late_images: fc.array(image, { maxLength: 5 }),
  error: fc.record({ code: fc.constant('upstream_unavailable' as const), detail: text(3_000) }),
  urls: fc.constant({ self: `/v1/jobs/${ID}` }),
});
const bytesOf = (data: object) =>
  Buffer.byteLength(JSON.stringify({ type: 'webhook_endpoint.disabled', timestamp: NOW, data }));

it('a job in an event stays below 20 kB, and loses its metadata first and its tags last', () => {
  fc.assert(
    fc.property(views, (view) => {
      const short = shortJob({ id: ID, status: 'failed', created_at: NOW, ...view } as unknown as JobView);

      expect(bytesOf(short)).toBeLessThan(BYTES_MAX);
      expect(short.images).toEqual(view.images);
      // What is left is the end of the order in which it goes.
      const left = [short.metadata, short.late_images, short.tags].map((one) => (one ? 1 : 0));
      expect(left).toEqual(left.toSorted((a, b) => a - b));
    }),
  );
});

it('what is the longest that a caller may send is dropped in order: metadata, late images, tags', () => {
  const [long, links] = ['\u0001'.repeat(64), 'x'.repeat(3_500)];
  const late = Array.from({ length: 3 }, (_, n) => ({ id: `${n}`, url: links }));
  const whole = { tags: Array.from({ length: 16 }, () => long), metadata: { a: 'b'.repeat(5_900) } };
  const short = (more: object) => shortJob({ ...whole, images: [], ...more } as unknown as JobView);

  expect(Object.keys(short({}))).toEqual(expect.arrayContaining(['metadata', 'tags']));
  expect(short({ late_images: late })).toMatchObject({ late_images: late, tags: whole.tags });
  expect(short({ late_images: late })).not.toHaveProperty('metadata');
  const none = short({ late_images: late, images: [{ url: 'x'.repeat(9_000) }] });
  expect([Object.hasOwn(none, 'late_images'), Object.hasOwn(none, 'tags')]).toEqual([false, true]);
});

it('a batch in an event stays below 20 kB as well', () => {
  const tags = Array.from({ length: 16 }, () => '\u0001'.repeat(64));
  const name = '\u0001'.repeat(2_000);
  const short = shortBatch({ id: 'bat_1', name, tags, metadata: { a: 'b'.repeat(5_000) } } as unknown as BatchView);

  expect(bytesOf(short)).toBeLessThan(BYTES_MAX);
  expect(short).toMatchObject({ name, tags });
});
