/** Signed URLs let anybody read one object, for a while. */

import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Kit, unable } from './kit.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

export function signingContract(kit: Kit): void {
  describe('signed URLs', () => {
    it('serve the bytes and their type to anybody', async () => {
      const bytes = randomBytes(200_000);
      const key = await kit.stored('image/png', bytes, 'a=b:c~d.png');

      const response = await fetch(await kit.store.signedUrl(key, { expiresAt: kit.soon() }));

      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('image/png');
      expect(response.headers.get('content-length')).toBe('200000');
      expect(response.headers.get('content-disposition') ?? 'inline').toBe('inline');
      expect(response.headers.get('x-content-type-options')).toBe(kit.world.sendsNosniff ? 'nosniff' : null);
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);
    });

    it('never show in place what is not an image', async () => {
      const key = await kit.stored('text/html', Buffer.from('<script>alert(1)</script>'));

      const response = await fetch(await kit.store.signedUrl(key, { expiresAt: kit.soon() }));

      expect(response.headers.get('content-type')).toBe('text/html');
      expect(response.headers.get('content-disposition')).toBe('attachment');
      await response.body?.cancel();
    });

    it('save under the name asked for', async () => {
      const key = await kit.stored('image/png', Buffer.from('x'));

      const response = await fetch(
        await kit.store.signedUrl(key, { expiresAt: kit.soon(), downloadName: 'rote "Äpfel"/1.png' }),
      );

      expect(response.headers.get('content-disposition')).toBe(
        `attachment; filename="rote __pfel__1.png"; filename*=UTF-8''rote%20%22%C3%84pfel%22_1.png`,
      );
      await response.body?.cancel();
    });

    it('serve nothing once the object is gone', async () => {
      const key = await kit.stored('image/png', Buffer.from('x'));
      const url = await kit.store.signedUrl(key, { expiresAt: kit.soon() });
      await kit.store.delete(key);

      expect((await fetch(url)).status).toBe(404);
    });

    it('end when they expire', async (context) => {
      const { advance = unable } = kit.world;
      context.skip(advance === unable);
      const key = await kit.stored('image/png', Buffer.from('x'));
      const url = await kit.store.signedUrl(key, { expiresAt: kit.soon() });
      advance(15 * MINUTE - 2000);
      const before = await fetch(url);
      advance(4000);
      const after = await fetch(url);

      expect(before.status).toBe(200);
      expect(after.status).toBeGreaterThanOrEqual(400);
      expect(after.status).toBeLessThan(500);
    });

    it('are worth nothing when a letter is changed', async (context) => {
      context.skip(!kit.world.checksSignatures);
      const key = await kit.stored('image/png', Buffer.from('x'));
      const other = await kit.stored('image/png', Buffer.from('secret'));
      const url = await kit.store.signedUrl(key, { expiresAt: kit.soon(), downloadName: 'a.png' });
      const forged = [
        url.replace(/(ignature=)(.)/, (_, name: string, first: string) => name + (first === 'a' ? 'b' : 'a')),
        url.replace(/(ignature=)[^&]*/, '$1'),
        url.replace(/[?&][^=&]*ignature=[^&]*/, ''),
        url.replace(/(xpires=)(\d+)/, (_, name: string, at: string) => name + (Number(at) + 60)),
        url.replace('a.png', 'b.png'),
        url.replace(key.slice(kit.run.length), other.slice(kit.run.length)),
      ];

      for (const forgery of forged) {
        expect(forgery).not.toBe(url);
        expect([400, 401, 403]).toContain((await fetch(forgery)).status);
      }
      expect((await fetch(url)).status).toBe(200);
    });

    it('live at most 24 hours, and not in the past', async () => {
      const key = kit.newKey();

      await expect(async () => kit.store.signedUrl(key, { expiresAt: kit.world.now() + DAY + MINUTE })).rejects.toThrow(
        RangeError,
      );
      await expect(async () => kit.store.signedUrl(key, { expiresAt: kit.world.now() - 1 })).rejects.toThrow(
        RangeError,
      );
      await expect(async () => kit.store.signedUrl(key, { expiresAt: Number.NaN })).rejects.toThrow(RangeError);
      await expect(kit.store.signedUrl(key, { expiresAt: kit.world.now() + DAY })).resolves.toMatch(/^https?:/);
    });
  });
}
