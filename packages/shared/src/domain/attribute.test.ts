import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aJob, NOON } from '../testing/factories.ts';
import { begin, settle } from './attempt.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { attribute } from './attribute.ts';
import type { Job } from './job.ts';

const CHUNK = { id: 'pb_1', channel: 'gemini', providerName: 'batches/a' };
const stray = (name: string, only = false) => ({
  id: `pb_1-${name}`,
  channel: 'gemini',
  providerName: `batches/${name}`,
  stray: { of: 'pb_1', only },
});
const BILLED = { billed: true, now: NOON };
const FREE = { billed: false, now: NOON };

function sent(): Job {
  const begun = begin(
    aJob({ request: { lane: 'batch' } }),
    { id: 'att_1', channel: 'gemini', providerBatch: 'pb_1' },
    NOON,
  );
  if (begun.type !== 'go') throw new Error('a waiting job can be begun');
  return begun.change.after;
}

const end = (job: Job, attempt: string, how: AttemptEnd): Job =>
  settle(job, attempt, how, NOON, () => 0.5)?.after ?? job;

const image = (name: string): AttemptEnd => ({
  type: 'image',
  image: { n: 0, key: `results/${name}`, mime: 'image/png', width: 1, height: 1, bytes: 1, sha256: name },
  cost: 7,
  tokens: 1,
  ms: 1,
});

/** As harvests do it, also when they were cut short before they had settled it. */
function take(job: Job, batch: typeof CHUNK, name: string): Job {
  const found = attribute(job, 'att_1', batch, BILLED);
  return found ? end(found.change?.after ?? job, found.attempt, image(name)) : job;
}

describe('a line of a batch', () => {
  it('is counted once for each batch that made it, in whatever order and however often they are read', () => {
    const batches = [CHUNK, stray('b'), stray('c')];
    fc.assert(
      fc.property(
        fc.array(fc.record({ n: fc.nat(2), dies: fc.boolean() }), { maxLength: 12 }),
        fc.constantFrom('open', 'in_doubt' as const),
        (steps, state) => {
          const before = state === 'open' ? sent() : end(sent(), 'att_1', { type: 'in_doubt', reason: 'lost' });
          const all = [...steps, ...batches.map((_, n) => ({ n, dies: false }))];

          const job = all.reduce((now, { n, dies }) => {
            const batch = batches[n] ?? CHUNK;
            return dies ? (attribute(now, 'att_1', batch, BILLED)?.change?.after ?? now) : take(now, batch, `i${n}`);
          }, before);

          const { attempts, images, lateImages } = job.state;
          expect(attempts.map((attempt) => `${attempt.state} ${attempt.cost}`)).toEqual(Array(3).fill('settled 7'));
          expect(new Set(attempts.map(({ providerBatch }) => providerBatch)).size).toBe(3);
          expect([images.length, images.length + lateImages.length]).toEqual([1, 3]);
        },
      ),
    );
  });

  it('that cost nothing changes nothing, unless nobody else can have made it', () => {
    const doubtful = end(sent(), 'att_1', { type: 'in_doubt', reason: 'lost' });

    expect(attribute(sent(), 'att_1', stray('b', true), FREE)).toBeUndefined();
    expect(attribute(doubtful, 'att_1', stray('b'), FREE)).toBeUndefined();
    expect(attribute(doubtful, 'att_1', stray('b', true), FREE)).toMatchObject({ attempt: 'att_1' });
    expect(attribute(sent(), 'att_1', CHUNK, FREE)).toEqual({ attempt: 'att_1' });
  });
});
