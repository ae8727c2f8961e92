/** A look: free, and it tells good credentials from bad, and models that are there from those that are not. */

import { describe, expect, it } from 'vitest';
import type { Kit } from './kit.ts';

const { signal } = new AbortController();

export function lookingContract(kit: Kit): void {
  describe('a look', () => {
    it('finds good credentials, and names the models that the provider does not know', async () => {
      await using channel = kit.world.open();
      const { unknownModel, tellsUnknown, listsModels = tellsUnknown } = kit.world;

      expect(await channel.look(signal)).toEqual({
        type: 'ok',
        unknownModels: listsModels ? [unknownModel] : [],
        unseenModels: listsModels ? [] : [unknownModel],
      });
    });

    it('costs nothing', async () => {
      await using channel = kit.world.open();
      const before = [kit.world.calls(), kit.world.charged()];

      await channel.look(signal);

      expect([kit.world.calls(), kit.world.charged()]).toEqual(before);
    });

    it('finds that credentials are refused, and does not show them', async () => {
      await using channel = kit.world.open({ credentials: 'refused' });

      const look = await channel.look(signal);

      expect(look).toMatchObject({ type: 'refused', http: expect.any(Number), message: expect.any(String) });
      for (const secret of kit.world.secrets) expect(JSON.stringify(look).includes(secret)).toBe(false);
    });

    it('finds that nobody is there', async () => {
      await using channel = kit.world.open({ at: 'nowhere' });

      expect(await channel.look(signal)).toMatchObject({ type: 'unreachable', reason: expect.any(String) });
    });
  });
}
