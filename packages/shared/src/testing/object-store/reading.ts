/** What was written is found, read and deleted. */

import { randomBytes } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { type Kit, PNG } from './kit.ts';

export function readingContract(kit: Kit): void {
  describe('reading', () => {
    it('describes an object in full', async () => {
      const key = kit.newKey('doc.json');
      const bytes = Buffer.from('{"a":1}');
      const custom = { job: 'job_1', cost: '123', note: 'a b=c; d' };
      await kit.store.put(key, bytes, { contentType: 'application/json; charset=utf-8', custom });

      expect(await kit.store.head(key)).toEqual({
        key,
        bytes: bytes.length,
        contentType: 'application/json; charset=utf-8',
        crc32c: crc32c(bytes),
        custom,
      });
    });

    it('has no custom fields when none were given', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('x'), PNG);

      expect((await kit.store.head(key))?.custom).toEqual({});
    });

    it('knows nothing of a name never written', async () => {
      const key = kit.newKey();

      expect(await kit.store.head(key)).toBeUndefined();
      expect(await kit.store.get(key)).toBeUndefined();
      expect(await kit.store.get(key, { start: 0, end: 0 })).toBeUndefined();
    });

    it('knows nothing of the folders in a name', async () => {
      const key = kit.newKey('folder/image.png');
      await kit.store.put(key, Buffer.from('x'), PNG);

      expect(await kit.store.head(key.replace('/image.png', ''))).toBeUndefined();
      expect(await kit.store.get(key.replace('/image.png', ''))).toBeUndefined();
    });

    it.each([
      [{ start: 0, end: 0 }, '0'],
      [{ start: 2, end: 4 }, '234'],
      [{ start: 7 }, '789'],
      [{ start: 0 }, '0123456789'],
      [{ start: 8, end: 99 }, '89'],
      [{ start: 10 }, ''],
      [{ start: 500, end: 501 }, ''],
    ])('reads the range %j', async (range, expected) => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('0123456789'), PNG);

      expect((await kit.read(key, range))?.toString()).toBe(expected);
    });

    it.each([{ start: -1 }, { start: 3, end: 2 }, { start: 0.5 }, { start: Number.NaN }])(
      'refuses the range %j',
      async (range) => {
        await expect(async () => kit.store.get(kit.newKey(), range)).rejects.toThrow(RangeError);
      },
    );

    it('lets a reader leave early', async () => {
      const key = kit.newKey();
      await kit.store.put(key, randomBytes(3_000_000), PNG);
      const stream = await kit.store.get(key);

      stream?.destroy();

      expect((await kit.read(key))?.length).toBe(3_000_000);
    });
  });

  describe('deleting', () => {
    it('forgets the object, also when told twice', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('x'), PNG);

      await kit.store.delete(key);
      await kit.store.delete(key);

      expect(await kit.store.head(key)).toBeUndefined();
      expect(await kit.store.get(key)).toBeUndefined();
    });

    it('leaves the neighbours alone', async () => {
      const [a, b] = [kit.newKey('a'), kit.newKey('b')];
      const below = a.replace(/a$/, 'aa/b');
      for (const key of [a, b, below]) await kit.store.put(key, Buffer.from(key), PNG);

      await kit.store.delete(a);

      expect(await kit.store.head(b)).toBeDefined();
      expect(await kit.store.head(below)).toBeDefined();
    });

    it('survives deletes and puts side by side', async () => {
      const keys = Array.from({ length: 12 }, (_, n) => `${kit.run}/side-by-side/${n % 3}/image-${n}`);

      await Promise.all(
        keys.map(async (key) => {
          await kit.store.put(key, Buffer.from(key), PNG);
          await kit.store.delete(key);
          await kit.store.put(key, Buffer.from(key), PNG);
        }),
      );

      for (const key of keys) expect((await kit.read(key))?.toString()).toBe(key);
    });
  });

  describe('addresses', () => {
    it('are unique and end with the name', () => {
      const key = kit.newKey();

      expect(kit.store.uri(key)).toMatch(/^(file:\/\/\/|gs:\/\/)/);
      expect(kit.store.uri(key).endsWith(key)).toBe(true);
    });

    it('of our own are refused by openUri, where the store has it, and what is no address is not there', async (context) => {
      context.skip(!kit.store.openUri);
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('bytes'), PNG);

      for (const uri of [kit.store.uri(key), `${kit.store.uri(key)}-missing`]) {
        await expect(kit.store.openUri?.(uri)).rejects.toMatchObject({ code: 'invalid_request' });
      }
      expect(await kit.store.openUri?.('https://example.com/x')).toBeUndefined();
      expect(await kit.store.openUri?.('gs://only-a-bucket')).toBeUndefined();
    });
  });
}
