/** Calls that end badly: whatever happens, nothing is sent twice, nothing throws, and what is not known is not claimed. */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Kit, TROUBLES, type Trouble, textsIn, verdictOf } from './kit.ts';

/** After this a call without an answer is given up, a turn of the deadline later. */
const HANG_MS = 100;
/** What leaves no whole answer. */
const UNKNOWN: ReadonlySet<Trouble> = new Set(['reset', 'reset_after_billing', 'hang', 'cut']);

export function troubleContract(kit: Kit): void {
  describe('trouble', () => {
    it.each(TROUBLES)('of kind %s is met by one HTTP call and no other', async (trouble) => {
      if (kit.world.cannot.includes(trouble)) return;
      kit.world.strike(trouble);

      await kit.once({ ...(trouble === 'hang' && { timeoutMs: HANG_MS }) }, async ({ end, entry, calls }) => {
        expect(calls).toBe(1);
        expect(end.type).toBe(UNKNOWN.has(trouble) ? 'unknown' : 'answered');
        const success = end.type === 'answered' && end.answer.httpStatus < 300;
        expect((await entry.answer()) !== undefined).toBe(success);
      });
    });

    it('before the first byte is sent means that nothing was', async () => {
      await using channel = kit.world.open({ at: 'nowhere' });

      await kit.call(channel, {}, ({ end, calls }) => {
        expect(end).toMatchObject({ type: 'unsent' });
        expect(calls).toBe(0);
      });
    });

    it('by an abort before the call means that nothing was sent', () =>
      kit.once({ signal: AbortSignal.abort() }, ({ end, calls }) => {
        expect(end.type).toBe('unsent');
        expect(calls).toBe(0);
      }));

    it('by an abort during the call ends it at once, with an unknown outcome', async () => {
      kit.world.strike('hang');
      const stopping = new AbortController();
      const before = kit.world.calls();
      const aborting = (async () => {
        while (kit.world.calls() === before) await sleep(5);
        stopping.abort();
      })();

      await kit.once({ signal: stopping.signal }, ({ end, calls }) => {
        expect(end).toMatchObject({ type: 'unknown', reason: expect.stringContaining('abort') });
        expect(calls).toBe(1);
      });
      await aborting;
    });

    it.each([
      ['overloaded', { retryable: true, http: 503 }],
      ['internal', { retryable: true, http: 500 }],
      ['html_error', { retryable: true, http: 502 }],
      ['empty_error', { retryable: true, http: 503 }],
    ] as const)('of kind %s is the provider’s, and worth another try', async (trouble, verdict) => {
      if (kit.world.cannot.includes(trouble)) return;
      kit.world.strike(trouble);

      await kit.once({}, (called) => {
        expect(verdictOf(called)).toMatchObject({ type: 'rejected', ...verdict });
        expect(verdictOf(called)).not.toHaveProperty('channelDown');
        expect(called.charged).toBe(0);
      });
    });

    it('never shows a credential', async () => {
      const shown: string[] = [];
      for (const trouble of TROUBLES) {
        if (kit.world.cannot.includes(trouble) || trouble === 'hang') continue;
        kit.world.strike(trouble);
        await kit.once({}, async ({ end }, folder) => {
          shown.push(JSON.stringify(end), await textsIn(folder));
        });
      }

      for (const secret of kit.world.secrets) expect(shown.join('\n').includes(secret)).toBe(false);
    });
  });
}
