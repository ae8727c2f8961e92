/** A store that is away says so, and nothing is lost by it. */

import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../domain/errors.ts';
import { type Kit, PNG, unable } from './kit.ts';

export function troubleContract(kit: Kit): void {
  describe('trouble', () => {
    it('is healthy, however often it is asked', async () => {
      expect(await kit.store.healthy()).toBe(true);
      expect(await kit.store.healthy()).toBe(true);
    });

    it('says storage_unavailable while it is away, and goes on afterwards', async (context) => {
      const { begin, end } = kit.world.outage ?? { begin: unable, end: unable };
      context.skip(begin === unable);
      const [before, during] = [kit.newKey(), kit.newKey()];
      await kit.store.put(before, Buffer.from('before'), PNG);
      const file = await kit.localFile(Buffer.from('during'));
      const unavailable = { name: 'AppError', code: 'storage_unavailable', retryable: true };

      await begin();
      try {
        await expect(kit.store.put(during, file, PNG)).rejects.toMatchObject(unavailable);
        await expect(kit.store.put(during, Buffer.from('during'), PNG)).rejects.toMatchObject(unavailable);
        await expect(kit.store.head(before)).rejects.toMatchObject(unavailable);
        await expect(kit.store.get(before)).rejects.toMatchObject(unavailable);
        await expect(kit.store.delete(before)).rejects.toMatchObject(unavailable);
        expect(await kit.store.healthy()).toBe(false);
      } finally {
        await end();
      }

      expect(await kit.store.healthy()).toBe(true);
      expect(await kit.store.put(during, file, PNG)).toBe('created');
      expect((await kit.read(before))?.toString()).toBe('before');
      expect((await stat(file.path)).size).toBe(6);
    });

    it('tells in public words what is wrong, without paths, hosts or secrets', async (context) => {
      const { begin, end } = kit.world.outage ?? { begin: unable, end: unable };
      context.skip(begin === unable);
      await begin();
      const error: unknown = await kit.store.head(kit.newKey()).catch((thrown: unknown) => thrown);
      await end();

      expect(error).toBeInstanceOf(AppError);
      expect(String(error)).toMatch(/object store/);
      expect(String(error)).not.toMatch(/127\.0\.0\.1|localhost|\/tmp|ENOENT|ECONN/);
    });

    it('finds a put whose answer was lost to have happened', async (context) => {
      const { loseNextAnswer = unable } = kit.world;
      context.skip(loseNextAnswer === unable);
      const [a, b] = [kit.newKey(), kit.newKey()];
      const bytes = randomBytes(50_000);

      loseNextAnswer();
      expect(['created', 'exists']).toContain(await kit.store.put(a, bytes, PNG));
      loseNextAnswer();
      expect(['created', 'exists']).toContain(
        await kit.store.put(b, await kit.localFile(bytes), { ...PNG, crc32c: crc32c(bytes) }),
      );

      expect(await kit.store.put(a, bytes, PNG)).toBe('exists');
      expect(await kit.read(b)).toEqual(bytes);
    });
  });
}
