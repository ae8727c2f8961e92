/** A call that succeeds: once over the wire, durable, whole to the bit, and its price known. */

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { Answer } from '../../domain/answer.ts';
import { costOn } from '../../domain/channel-price.ts';
import type { JobRequest } from '../../domain/job.ts';
import { answerOf, type Called, type Kit, verdictOf } from './kit.ts';

export function callingContract(kit: Kit): void {
  describe('a call', () => {
    it('is one HTTP call, and yields an image', () =>
      kit.once({}, (called) => {
        expect(called.calls).toBe(1);
        expect(verdictOf(called)).toMatchObject({ type: 'image', mime: expect.stringMatching(/^image\//) });
      }));

    it('is durable before it is told', () =>
      kit.once({}, async (called) => {
        expect(await called.entry.answer()).toEqual(called.end.type === 'answered' && called.end.answer);
      }));

    it('has every byte that was on the wire, with what was base64 in files', () =>
      kit.once({}, async (called) => {
        const answer = answerOf(called);

        expect(answer.blobs.length).toBeGreaterThan(0);
        expect(await putBack(answer)).toEqual(JSON.parse(kit.world.lastBody()));
      }));

    it('costs what the provider charges for it', () =>
      kit.once({}, (called) => {
        expect(called.charged).toBeGreaterThan(0);
        const cost = costOf(kit, kit.request(), called);
        const slack = kit.world.guessesCost ? 0.2 : 0;
        expect(cost).toBeGreaterThanOrEqual(called.charged * (1 - slack));
        expect(cost).toBeLessThanOrEqual(called.charged * (1 + slack));
      }));

    it('has a connection of its own, opened ahead or not', async () => {
      await using channel = kit.world.open();
      channel.preconnect();
      for (let n = 0; n < 3; n++) {
        await kit.call(channel, {}, (called) => {
          expect(called.calls).toBe(1);
          expect(verdictOf(called).type).toBe('image');
        });
        channel.preconnect();
      }
    });

    it('is not made for a model that the channel does not serve', () =>
      kit.once({ request: kit.request({ model: kit.world.unservedModel }) }, ({ end, calls }) => {
        expect(end).toMatchObject({ type: 'unsent', reason: expect.stringContaining('not served') });
        expect(calls).toBe(0);
      }));
  });
}

/** The body with each placeholder as the base64 it stands for. */
async function putBack({ body, blobs }: Answer): Promise<unknown> {
  const files = await Promise.all(blobs.map(({ path }) => readFile(path, 'base64')));
  return JSON.parse(JSON.stringify(body).replace(/@blob:(\d+)/g, (_, n) => files[Number(n)] ?? 'missing'));
}

function costOf(kit: Kit, request: JobRequest, called: Called): number {
  const verdict = verdictOf(called);
  if (verdict.type !== 'image') throw new Error(`no image: ${verdict.type}`);
  const { usage, imagesBilled: images, reportedCost: reported } = verdict;
  const { price, tellsCost: trusted } = kit.world;
  return costOn({ trusted, ...(price && { served: { price } }) }, request, 'standard', { usage, images, reported });
}
