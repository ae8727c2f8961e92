/** What every object store promises, as a suite that runs against each adapter and against any endpoint. */

import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { crc32c } from '@node-rs/crc32';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AppError } from '../domain/errors.ts';
import type { LocalFile, ObjectStore } from '../ports/object-store.ts';

/** A store, and what can be done to the world around it. What an endpoint cannot do is left out, and its checks are skipped. */
export type StoreUnderTest = {
  store: ObjectStore;
  /** The clock by which the store signs, and by which the server judges. */
  now(): number;
  /** Moves both clocks. */
  advance?(ms: number): void;
  /** Takes the store away, and brings it back with everything in it. */
  outage?: { begin(): Promise<void>; end(): Promise<void> };
  /** Lets the next put be carried out and its answer be lost. */
  loseNextAnswer?(): void;
  /** Whether files are served with `nosniff`. GCS does not send it: its files are of another origin than the API. */
  sendsNosniff: boolean;
  /** Whether a wrong signature is noticed. */
  checksSignatures: boolean;
  close(): Promise<void>;
};

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const PNG = { contentType: 'image/png' };

/** Runs the contract against the store that `open` yields. Every run uses names of its own. */
export function objectStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`object store: ${name}`, () => {
    const run = `contract/${randomUUID()}`;
    let count = 0;
    let world: StoreUnderTest;
    let store: ObjectStore;
    let folder: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'object-store-'));
      world = await open();
      store = world.store;
    });
    afterAll(async () => {
      await world?.close();
      await rm(folder, { recursive: true, force: true });
    });

    const newKey = (suffix = 'image.png') => `${run}/${count++}/${suffix}`;
    const localFile = async (bytes: Buffer): Promise<LocalFile> => {
      const path = join(folder, randomUUID());
      await writeFile(path, bytes);
      return { path, bytes: bytes.length };
    };
    const read = async (key: string, range?: { start: number; end?: number }): Promise<Buffer | undefined> => {
      const stream = await store.get(key, range);
      return stream && buffer(stream);
    };
    const soon = () => world.now() + 15 * MINUTE;

    describe('writing', () => {
      it('creates an object from a buffer', async () => {
        const key = newKey();
        const bytes = randomBytes(1000);

        expect(await store.put(key, bytes, PNG)).toBe('created');
        expect(await read(key)).toEqual(bytes);
      });

      it('creates an object from a local file, and keeps it when the file goes', async () => {
        const key = newKey();
        const bytes = randomBytes(100_000);
        const file = await localFile(bytes);

        expect(await store.put(key, file, { ...PNG, crc32c: crc32c(bytes) })).toBe('created');
        await unlink(file.path);

        expect(await read(key)).toEqual(bytes);
      });

      it('counts the checksum of a local file when nobody gave it', async () => {
        const key = newKey();
        const bytes = randomBytes(300_000);

        await store.put(key, await localFile(bytes), PNG);

        expect(await store.head(key)).toMatchObject({ bytes: 300_000, crc32c: crc32c(bytes) });
      });

      it('stores an object without bytes', async () => {
        const key = newKey('empty.json');

        expect(await store.put(key, Buffer.alloc(0), { contentType: 'application/json' })).toBe('created');
        expect(await store.head(key)).toMatchObject({ bytes: 0, crc32c: 0 });
        expect(await read(key)).toEqual(Buffer.alloc(0));
      });

      it('stores a local file without bytes', async () => {
        const key = newKey('empty.json');

        expect(await store.put(key, await localFile(Buffer.alloc(0)), PNG)).toBe('created');
        expect(await read(key)).toEqual(Buffer.alloc(0));
      });

      it('stores 5 MB from a buffer and from a file', async () => {
        const bytes = randomBytes(5_000_000);
        const [a, b] = [newKey(), newKey()];

        await store.put(a, bytes, PNG);
        await store.put(b, await localFile(bytes), { ...PNG, crc32c: crc32c(bytes) });

        expect((await read(a))?.equals(bytes)).toBe(true);
        expect((await read(b))?.equals(bytes)).toBe(true);
      });

      it.each(['a.b-c_d~e=f:g', '0', '..a', 'a..', '-', 'x'.repeat(200), 'deep/er/and/deep.er/still'])(
        'takes the odd but legal name %s',
        async (odd) => {
          const key = newKey(odd);

          expect(await store.put(key, Buffer.from(odd), PNG)).toBe('created');
          expect((await read(key))?.toString()).toBe(odd);
          expect(await store.head(key)).toMatchObject({ key });
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
        await expect(async () => store.put(key, Buffer.from('x'), PNG)).rejects.toThrow(TypeError);
        await expect(async () => store.head(key)).rejects.toThrow(TypeError);
        await expect(async () => store.get(key)).rejects.toThrow(TypeError);
        await expect(async () => store.delete(key)).rejects.toThrow(TypeError);
        await expect(async () => store.signedUrl(key, { expiresAt: soon() })).rejects.toThrow(TypeError);
        expect(() => store.uri(key)).toThrow(TypeError);
      });
    });

    describe('writing once', () => {
      it('says exists when the name holds the same bytes', async () => {
        const key = newKey();
        const bytes = randomBytes(1000);
        await store.put(key, bytes, PNG);

        expect(await store.put(key, bytes, PNG)).toBe('exists');
        expect(await store.put(key, await localFile(bytes), { ...PNG, crc32c: crc32c(bytes) })).toBe('exists');
        expect(await store.put(key, await localFile(bytes), PNG)).toBe('exists');
      });

      it('refuses other bytes of the same length, and keeps the first', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('first'), PNG);

        await expect(store.put(key, Buffer.from('other'), PNG)).rejects.toMatchObject({
          code: 'object_conflict',
          retryable: false,
        });
        expect((await read(key))?.toString()).toBe('first');
      });

      it('refuses other bytes from a file', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('first'), PNG);

        await expect(store.put(key, await localFile(Buffer.from('longer')), PNG)).rejects.toMatchObject({
          code: 'object_conflict',
        });
        expect((await read(key))?.toString()).toBe('first');
      });

      it('keeps the description of the first writer', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('x'), { contentType: 'image/png', custom: { by: 'first' } });

        await store.put(key, Buffer.from('x'), { contentType: 'text/html', custom: { by: 'second' } });

        expect(await store.head(key)).toMatchObject({ contentType: 'image/png', custom: { by: 'first' } });
      });

      it('lets one of eight writers of different bytes win', async () => {
        const key = newKey();
        const bodies = Array.from({ length: 8 }, (_, n) => Buffer.from(`writer ${n}`));

        const ends = await Promise.allSettled(bodies.map((body) => store.put(key, body, PNG)));

        const winner = ends.findIndex(({ status }) => status === 'fulfilled');
        expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
        for (const end of ends)
          if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'object_conflict' });
        expect(await read(key)).toEqual(bodies[winner]);
      });

      it('lets eight writers of the same bytes all succeed, one of them as creator', async () => {
        const key = newKey();
        const bytes = randomBytes(10_000);

        const ends = await Promise.all(Array.from({ length: 8 }, () => store.put(key, bytes, PNG)));

        expect(ends.toSorted()).toEqual(['created', ...Array.from({ length: 7 }, () => 'exists')]);
        expect(await read(key)).toEqual(bytes);
      });

      it('takes the name again after it was deleted', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('first'), PNG);
        await store.delete(key);

        expect(await store.put(key, Buffer.from('other'), PNG)).toBe('created');
        expect((await read(key))?.toString()).toBe('other');
      });
    });

    describe('checksums', () => {
      it('takes bytes whose checksum is right', async () => {
        const bytes = randomBytes(5000);

        expect(await store.put(newKey(), bytes, { ...PNG, crc32c: crc32c(bytes) })).toBe('created');
      });

      it('refuses bytes whose checksum is wrong, and stores nothing', async () => {
        const key = newKey();

        const put = store.put(key, Buffer.from('right'), { ...PNG, crc32c: crc32c('wrong') });

        await expect(put).rejects.toMatchObject({ code: 'internal', retryable: false });
        expect(await store.head(key)).toBeUndefined();
      });

      it('refuses a file that has not the size its caller counted', async () => {
        const key = newKey();
        const file = await localFile(Buffer.from('12345'));

        await expect(store.put(key, { ...file, bytes: 4 }, PNG)).rejects.toMatchObject({ code: 'internal' });
        expect(await store.head(key)).toBeUndefined();
      });

      it('refuses a file that is not there', async () => {
        const put = store.put(newKey(), { path: join(folder, 'nowhere'), bytes: 1 }, PNG);

        await expect(put).rejects.toMatchObject({ code: 'internal', retryable: false });
      });
    });

    describe('reading', () => {
      it('describes an object in full', async () => {
        const key = newKey('doc.json');
        const bytes = Buffer.from('{"a":1}');
        const custom = { job: 'job_1', cost: '123', note: 'a b=c; d' };
        await store.put(key, bytes, { contentType: 'application/json; charset=utf-8', custom });

        expect(await store.head(key)).toEqual({
          key,
          bytes: bytes.length,
          contentType: 'application/json; charset=utf-8',
          crc32c: crc32c(bytes),
          custom,
        });
      });

      it('has no custom fields when none were given', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('x'), PNG);

        expect((await store.head(key))?.custom).toEqual({});
      });

      it('knows nothing of a name never written', async () => {
        const key = newKey();

        expect(await store.head(key)).toBeUndefined();
        expect(await store.get(key)).toBeUndefined();
        expect(await store.get(key, { start: 0, end: 0 })).toBeUndefined();
      });

      it('knows nothing of the folders in a name', async () => {
        const key = newKey('folder/image.png');
        await store.put(key, Buffer.from('x'), PNG);

        expect(await store.head(key.replace('/image.png', ''))).toBeUndefined();
        expect(await store.get(key.replace('/image.png', ''))).toBeUndefined();
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
        const key = newKey();
        await store.put(key, Buffer.from('0123456789'), PNG);

        expect((await read(key, range))?.toString()).toBe(expected);
      });

      it.each([{ start: -1 }, { start: 3, end: 2 }, { start: 0.5 }, { start: Number.NaN }])(
        'refuses the range %j',
        async (range) => {
          await expect(async () => store.get(newKey(), range)).rejects.toThrow(RangeError);
        },
      );

      it('lets a reader leave early', async () => {
        const key = newKey();
        await store.put(key, randomBytes(3_000_000), PNG);
        const stream = await store.get(key);

        stream?.destroy();

        expect((await read(key))?.length).toBe(3_000_000);
      });
    });

    describe('deleting', () => {
      it('forgets the object, also when told twice', async () => {
        const key = newKey();
        await store.put(key, Buffer.from('x'), PNG);

        await store.delete(key);
        await store.delete(key);

        expect(await store.head(key)).toBeUndefined();
        expect(await store.get(key)).toBeUndefined();
      });

      it('leaves the neighbours alone', async () => {
        const [a, b] = [newKey('a'), newKey('b')];
        const below = a.replace(/a$/, 'aa/b');
        for (const key of [a, b, below]) await store.put(key, Buffer.from(key), PNG);

        await store.delete(a);

        expect(await store.head(b)).toBeDefined();
        expect(await store.head(below)).toBeDefined();
      });

      it('survives deletes and puts side by side', async () => {
        const keys = Array.from({ length: 12 }, (_, n) => `${run}/side-by-side/${n % 3}/image-${n}`);

        await Promise.all(
          keys.map(async (key) => {
            await store.put(key, Buffer.from(key), PNG);
            await store.delete(key);
            await store.put(key, Buffer.from(key), PNG);
          }),
        );

        for (const key of keys) expect((await read(key))?.toString()).toBe(key);
      });
    });

    describe('signed URLs', () => {
      const stored = async (contentType: string, bytes: Buffer, suffix?: string): Promise<string> => {
        const key = newKey(suffix);
        await store.put(key, bytes, { contentType });
        return key;
      };

      it('serve the bytes and their type to anybody', async () => {
        const bytes = randomBytes(200_000);
        const key = await stored('image/png', bytes, 'a=b:c~d.png');

        const response = await fetch(await store.signedUrl(key, { expiresAt: soon() }));

        expect(response.status).toBe(200);
        expect(response.headers.get('content-type')).toBe('image/png');
        expect(response.headers.get('content-length')).toBe('200000');
        expect(response.headers.get('content-disposition') ?? 'inline').toBe('inline');
        if (world.sendsNosniff) expect(response.headers.get('x-content-type-options')).toBe('nosniff');
        expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
      });

      it('never show in place what is not an image', async () => {
        const key = await stored('text/html', Buffer.from('<script>alert(1)</script>'));

        const response = await fetch(await store.signedUrl(key, { expiresAt: soon() }));

        expect(response.headers.get('content-type')).toBe('text/html');
        expect(response.headers.get('content-disposition')).toBe('attachment');
        await response.body?.cancel();
      });

      it('save under the name asked for', async () => {
        const key = await stored('image/png', Buffer.from('x'));

        const response = await fetch(
          await store.signedUrl(key, { expiresAt: soon(), downloadName: 'rote "Äpfel"/1.png' }),
        );

        expect(response.headers.get('content-disposition')).toBe(
          `attachment; filename="rote __pfel__1.png"; filename*=UTF-8''rote%20%22%C3%84pfel%22_1.png`,
        );
        await response.body?.cancel();
      });

      it('serve nothing once the object is gone', async () => {
        const key = await stored('image/png', Buffer.from('x'));
        const url = await store.signedUrl(key, { expiresAt: soon() });
        await store.delete(key);

        expect((await fetch(url)).status).toBe(404);
      });

      it('end when they expire', async (context) => {
        if (!world.advance) return context.skip();
        const key = await stored('image/png', Buffer.from('x'));
        const url = await store.signedUrl(key, { expiresAt: soon() });
        world.advance(15 * MINUTE - 2000);
        const before = await fetch(url);
        world.advance(4000);
        const after = await fetch(url);

        expect(before.status).toBe(200);
        expect(after.status).toBeGreaterThanOrEqual(400);
        expect(after.status).toBeLessThan(500);
      });

      it('are worth nothing when a letter is changed', async (context) => {
        if (!world.checksSignatures) return context.skip();
        const key = await stored('image/png', Buffer.from('x'));
        const other = await stored('image/png', Buffer.from('secret'));
        const url = await store.signedUrl(key, { expiresAt: soon(), downloadName: 'a.png' });
        const forged = [
          url.replace(/(ignature=)(.)/, (_, name: string, first: string) => name + (first === 'a' ? 'b' : 'a')),
          url.replace(/(ignature=)[^&]*/, '$1'),
          url.replace(/[?&][^=&]*ignature=[^&]*/, ''),
          url.replace(/(xpires=)(\d+)/, (_, name: string, at: string) => name + (Number(at) + 60)),
          url.replace('a.png', 'b.png'),
          url.replace(key.slice(run.length), other.slice(run.length)),
        ];

        for (const forgery of forged) {
          expect(forgery).not.toBe(url);
          expect([400, 401, 403]).toContain((await fetch(forgery)).status);
        }
        expect((await fetch(url)).status).toBe(200);
      });

      it('live at most 24 hours, and not in the past', async () => {
        const key = newKey();

        await expect(async () => store.signedUrl(key, { expiresAt: world.now() + DAY + MINUTE })).rejects.toThrow(
          RangeError,
        );
        await expect(async () => store.signedUrl(key, { expiresAt: world.now() - 1 })).rejects.toThrow(RangeError);
        await expect(async () => store.signedUrl(key, { expiresAt: Number.NaN })).rejects.toThrow(RangeError);
        await expect(store.signedUrl(key, { expiresAt: world.now() + DAY })).resolves.toMatch(/^https?:/);
      });
    });

    describe('addresses', () => {
      it('are unique and end with the name', () => {
        const key = newKey();

        expect(store.uri(key)).toMatch(/^(file:\/\/\/|gs:\/\/)/);
        expect(store.uri(key).endsWith(key)).toBe(true);
      });

      it('open through openUri, where the store has it', async (context) => {
        if (!store.openUri) return context.skip();
        const key = newKey();
        await store.put(key, Buffer.from('bytes'), PNG);

        const opened = await store.openUri(store.uri(key));

        expect(opened?.bytes).toBe(5);
        expect((opened && (await buffer(opened.body)))?.toString()).toBe('bytes');
        expect(await store.openUri(`${store.uri(key)}-missing`)).toBeUndefined();
        expect(await store.openUri('https://example.com/x')).toBeUndefined();
        expect(await store.openUri('gs://only-a-bucket')).toBeUndefined();
      });
    });

    describe('trouble', () => {
      it('is healthy, however often it is asked', async () => {
        expect(await store.healthy()).toBe(true);
        expect(await store.healthy()).toBe(true);
      });

      it('says storage_unavailable while it is away, and goes on afterwards', async (context) => {
        if (!world.outage) return context.skip();
        const [before, during] = [newKey(), newKey()];
        await store.put(before, Buffer.from('before'), PNG);
        const file = await localFile(Buffer.from('during'));
        const unavailable = { name: 'AppError', code: 'storage_unavailable', retryable: true };

        await world.outage.begin();
        try {
          await expect(store.put(during, file, PNG)).rejects.toMatchObject(unavailable);
          await expect(store.put(during, Buffer.from('during'), PNG)).rejects.toMatchObject(unavailable);
          await expect(store.head(before)).rejects.toMatchObject(unavailable);
          await expect(store.get(before)).rejects.toMatchObject(unavailable);
          await expect(store.delete(before)).rejects.toMatchObject(unavailable);
          expect(await store.healthy()).toBe(false);
        } finally {
          await world.outage.end();
        }

        expect(await store.healthy()).toBe(true);
        expect(await store.put(during, file, PNG)).toBe('created');
        expect((await read(before))?.toString()).toBe('before');
        expect((await stat(file.path)).size).toBe(6);
      });

      it('tells in public words what is wrong, without paths, hosts or secrets', async (context) => {
        if (!world.outage) return context.skip();
        await world.outage.begin();
        const error: unknown = await store.head(newKey()).catch((thrown: unknown) => thrown);
        await world.outage.end();

        expect(error).toBeInstanceOf(AppError);
        expect(String(error)).toMatch(/object store/);
        expect(String(error)).not.toMatch(/127\.0\.0\.1|localhost|\/tmp|ENOENT|ECONN/);
      });

      it('finds a put whose answer was lost to have happened', async (context) => {
        if (!world.loseNextAnswer) return context.skip();
        const [a, b] = [newKey(), newKey()];
        const bytes = randomBytes(50_000);

        world.loseNextAnswer();
        expect(['created', 'exists']).toContain(await store.put(a, bytes, PNG));
        world.loseNextAnswer();
        expect(['created', 'exists']).toContain(
          await store.put(b, await localFile(bytes), { ...PNG, crc32c: crc32c(bytes) }),
        );

        expect(await store.put(a, bytes, PNG)).toBe('exists');
        expect(await read(b)).toEqual(bytes);
      });
    });
  });
}
