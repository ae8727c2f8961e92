/** Objects are written once, whole, and with the bytes their writer meant. */

import { randomBytes } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { type Kit, PNG } from './kit.ts';

export function writingContract(kit: Kit): void {
  describe('writing', () => {
    it('creates an object from a buffer', async () => {
      const key = kit.newKey();
      const bytes = randomBytes(1000);

      expect(await kit.store.put(key, bytes, PNG)).toBe('created');
      expect(await kit.read(key)).toEqual(bytes);
    });

    it('creates an object from a local file, and keeps it when the file goes', async () => {
      const key = kit.newKey();
      const bytes = randomBytes(100_000);
      const file = await kit.localFile(bytes);

      expect(await kit.store.put(key, file, { ...PNG, crc32c: crc32c(bytes) })).toBe('created');
      await unlink(file.path);

      expect(await kit.read(key)).toEqual(bytes);
    });

    it('counts the checksum of a local file when nobody gave it', async () => {
      const key = kit.newKey();
      const bytes = randomBytes(300_000);

      await kit.store.put(key, await kit.localFile(bytes), PNG);

      expect(await kit.store.head(key)).toMatchObject({ bytes: 300_000, crc32c: crc32c(bytes) });
    });

    it('stores an object without bytes', async () => {
      const key = kit.newKey('empty.json');

      expect(await kit.store.put(key, Buffer.alloc(0), { contentType: 'application/json' })).toBe('created');
      expect(await kit.store.head(key)).toMatchObject({ bytes: 0, crc32c: 0 });
      expect(await kit.read(key)).toEqual(Buffer.alloc(0));
    });

    it('stores a local file without bytes', async () => {
      const key = kit.newKey('empty.json');

      expect(await kit.store.put(key, await kit.localFile(Buffer.alloc(0)), PNG)).toBe('created');
      expect(await kit.read(key)).toEqual(Buffer.alloc(0));
    });

    it('stores 5 MB from a buffer and from a file', async () => {
      const bytes = randomBytes(5_000_000);
      const [a, b] = [kit.newKey(), kit.newKey()];

      await kit.store.put(a, bytes, PNG);
      await kit.store.put(b, await kit.localFile(bytes), { ...PNG, crc32c: crc32c(bytes) });

      expect((await kit.read(a))?.equals(bytes)).toBe(true);
      expect((await kit.read(b))?.equals(bytes)).toBe(true);
    });

    it.each(['a.b-c_d~e=f:g', '0', '..a', 'a..', '-', 'x'.repeat(200), 'deep/er/and/deep.er/still'])(
      'takes the odd but legal name %s',
      async (odd) => {
        const key = kit.newKey(odd);

        expect(await kit.store.put(key, Buffer.from(odd), PNG)).toBe('created');
        expect((await kit.read(key))?.toString()).toBe(odd);
        expect(await kit.store.head(key)).toMatchObject({ key });
      },
    );

    it.each([
      '',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      'a/../b',
      '../a',
      'a/./b',
      'a b',
      'ä',
      'a\\b',
      'a\0b',
      'a?b',
      'a#b',
      'a%2e',
      'a@b',
      'a\nb',
      'x'.repeat(201),
      'x/'.repeat(400),
    ])('refuses the illegal name %j everywhere', async (key) => {
      await expect(async () => kit.store.put(key, Buffer.from('x'), PNG)).rejects.toThrow(TypeError);
      await expect(async () => kit.store.head(key)).rejects.toThrow(TypeError);
      await expect(async () => kit.store.get(key)).rejects.toThrow(TypeError);
      await expect(async () => kit.store.delete(key)).rejects.toThrow(TypeError);
      await expect(async () => kit.store.signedUrl(key, { expiresAt: kit.soon() })).rejects.toThrow(TypeError);
      expect(() => kit.store.uri(key)).toThrow(TypeError);
    });
  });

  describe('writing once', () => {
    it('says exists when the name holds the same bytes', async () => {
      const key = kit.newKey();
      const bytes = randomBytes(1000);
      await kit.store.put(key, bytes, PNG);

      expect(await kit.store.put(key, bytes, PNG)).toBe('exists');
      expect(await kit.store.put(key, await kit.localFile(bytes), { ...PNG, crc32c: crc32c(bytes) })).toBe('exists');
      expect(await kit.store.put(key, await kit.localFile(bytes), PNG)).toBe('exists');
    });

    it('refuses other bytes of the same length, and keeps the first', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('first'), PNG);

      await expect(kit.store.put(key, Buffer.from('other'), PNG)).rejects.toMatchObject({
        code: 'object_conflict',
        retryable: false,
      });
      expect((await kit.read(key))?.toString()).toBe('first');
    });

    it('refuses other bytes from a file', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('first'), PNG);

      await expect(kit.store.put(key, await kit.localFile(Buffer.from('longer')), PNG)).rejects.toMatchObject({
        code: 'object_conflict',
      });
      expect((await kit.read(key))?.toString()).toBe('first');
    });

    it('keeps the description of the first writer', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('x'), { contentType: 'image/png', custom: { by: 'first' } });

      await kit.store.put(key, Buffer.from('x'), { contentType: 'text/html', custom: { by: 'second' } });

      expect(await kit.store.head(key)).toMatchObject({ contentType: 'image/png', custom: { by: 'first' } });
    });

    it('lets one of eight writers of different bytes win', async () => {
      const key = kit.newKey();
      const bodies = Array.from({ length: 8 }, (_, n) => Buffer.from(`writer ${n}`));

      const ends = await Promise.allSettled(bodies.map((body) => kit.store.put(key, body, PNG)));

      const winner = ends.findIndex(({ status }) => status === 'fulfilled');
      const losers = ends.filter((end) => end.status === 'rejected').map((end): unknown => end.reason);
      expect(losers).toEqual(Array.from({ length: 7 }, () => expect.objectContaining({ code: 'object_conflict' })));
      expect(await kit.read(key)).toEqual(bodies[winner]);
    });

    it('lets eight writers of the same bytes all succeed, one of them as creator', async () => {
      const key = kit.newKey();
      const bytes = randomBytes(10_000);

      const ends = await Promise.all(Array.from({ length: 8 }, () => kit.store.put(key, bytes, PNG)));

      expect(ends.toSorted()).toEqual(['created', ...Array.from({ length: 7 }, () => 'exists')]);
      expect(await kit.read(key)).toEqual(bytes);
    });

    it('takes the name again after it was deleted', async () => {
      const key = kit.newKey();
      await kit.store.put(key, Buffer.from('first'), PNG);
      await kit.store.delete(key);

      expect(await kit.store.put(key, Buffer.from('other'), PNG)).toBe('created');
      expect((await kit.read(key))?.toString()).toBe('other');
    });
  });

  describe('checksums', () => {
    it('takes bytes whose checksum is right', async () => {
      const bytes = randomBytes(5000);

      expect(await kit.store.put(kit.newKey(), bytes, { ...PNG, crc32c: crc32c(bytes) })).toBe('created');
    });

    it('refuses bytes whose checksum is wrong, and stores nothing', async () => {
      const key = kit.newKey();

      const put = kit.store.put(key, Buffer.from('right'), { ...PNG, crc32c: crc32c('wrong') });

      await expect(put).rejects.toMatchObject({ code: 'internal', retryable: false });
      expect(await kit.store.head(key)).toBeUndefined();
    });

    it('refuses a file that has not the size its caller counted', async () => {
      const key = kit.newKey();
      const file = await kit.localFile(Buffer.from('12345'));

      await expect(kit.store.put(key, { ...file, bytes: 4 }, PNG)).rejects.toMatchObject({ code: 'internal' });
      expect(await kit.store.head(key)).toBeUndefined();
    });

    it('refuses a file that is not there', async () => {
      const put = kit.store.put(kit.newKey(), { path: join(kit.folder, 'nowhere'), bytes: 1 }, PNG);

      await expect(put).rejects.toMatchObject({ code: 'internal', retryable: false });
    });
  });
}
