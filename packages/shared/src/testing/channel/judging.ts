/** What the provider refuses, and what is made of it. */

import { describe, expect, it } from 'vitest';
import { type Kit, textsIn, verdictOf } from './kit.ts';

const GONE = { code: 'model_retired', retryable: false };
const BUSY = { code: 'upstream_overloaded', retryable: true };

export function judgingContract(kit: Kit): void {
  describe('a refusal', () => {
    it('of the credentials takes the channel out, without showing them', async () => {
      await using channel = kit.world.open({ credentials: 'refused' });

      await kit.call(channel, {}, async (called, folder) => {
        expect(called.calls).toBe(1);
        expect(verdictOf(called)).toMatchObject({ type: 'rejected', code: 'upstream_auth', channelDown: true });
        const shown = [JSON.stringify([called.end, verdictOf(called)]), await textsIn(folder)].join('\n');
        for (const secret of kit.world.secrets) expect(shown.includes(secret)).toBe(false);
      });
    });

    it('of a model that is not there is told from others, where it can be', () =>
      kit.once({ request: kit.request({ model: kit.world.unknownModel }) }, (called) => {
        expect(called.calls).toBe(1);
        expect(verdictOf(called)).toMatchObject({ type: 'rejected', ...(kit.world.tellsUnknown ? GONE : BUSY) });
      }));

    it('by a limit waits as long as it says', async () => {
      kit.world.strike('limit');

      await kit.once({}, (called) => {
        const told = kit.world.tellsRetry ? { retryAfterMs: 34_000 } : {};
        const limited = { type: 'rejected', http: 429, retryable: true, limit: expect.any(String) };
        expect(verdictOf(called)).toMatchObject({ ...limited, ...told });
        expect(called.charged).toBe(0);
      });
    });

    it('of the content is final', async () => {
      kit.world.strike('blocked');

      await kit.once({}, (called) => {
        expect(verdictOf(called)).toMatchObject({ type: 'blocked' });
      });
    });

    it('of nothing in particular, without an image, is worth another try', async ({ skip }) => {
      skip(kit.world.cannot.includes('no_image'));
      kit.world.strike('no_image');

      await kit.once({}, (called) => {
        expect(verdictOf(called)).toMatchObject({ type: 'no_image' });
      });
    });

    it('after the provider’s own deadline is in doubt', async ({ skip }) => {
      skip(kit.world.cannot.includes('deadline'));
      kit.world.strike('deadline');

      await kit.once({}, (called) => {
        expect(verdictOf(called)).toMatchObject({ type: 'in_doubt' });
      });
    });
  });

  it('an answer without usage has an image all the same, and says that it has none', async ({ skip }) => {
    skip(kit.world.cannot.includes('no_usage'));
    kit.world.strike('no_usage');

    await kit.once({}, (called) => {
      expect(verdictOf(called)).toMatchObject({ type: 'image', usage: { missing: true, totalTokens: 0 } });
    });
  });
}
