import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aJob, NOON } from '../testing/factories.ts';
import { begin, settle } from './attempt.ts';
import type { AttemptEnd } from './attempt-end.ts';
import { attribute, lastSent, settleLine } from './attribute.ts';
import type { Job } from './job.ts';

const CHUNK = { id: 'pb_1', channel: 'gemini', providerName: 'batches/a' };
const stray = (name: string, only = false) => ({
  id: `pb_1-${name}`,
  channel: 'gemini',
  providerName: `batches/${name}`,
  stray: { of: 'pb_1', only },
});
const REFUSED: AttemptEnd = {
  type: 'refused',
  code: 'no_image',
  error: { code: 'no_image', detail: 'none' },
  cost: 3,
  tokens: 1,
  ms: 1,
};
const REJECTED: AttemptEnd = {
  type: 'rejected',
  verdict: { type: 'rejected', code: 'upstream_unavailable', retryable: true, http: 500 },
  error: { code: 'upstream_unavailable', detail: 'broken' },
  ms: 1,
};

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

type Batch = typeof CHUNK | ReturnType<typeof stray>;

/** As harvests do it, also when another has come between what they saw and what they write. */
function take(job: Job, batch: Batch, how: AttemptEnd): Job {
  return settleLine(job, { sent: 'att_1', batch, billed: how.type !== 'rejected' }, how, NOON, () => 0.5)?.after ?? job;
}

const line = (batch: Batch, billed: boolean) => ({ sent: 'att_1', batch, billed });
const summary = ({ state }: Job) => state.attempts.map((one) => `${one.state} ${one.cost ?? 0}`);

describe('a line of a batch', () => {
  it('is counted once for each batch that made it, in whatever order and however often they are read', () => {
    const batches = [CHUNK, stray('b'), stray('c')];
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { maxLength: 12 }),
        fc.constantFrom(...(['open', 'in_doubt', 'lost'] as const)),
        (steps, state) => {
          const [before, doubtful] = [sent(), end(sent(), 'att_1', { type: 'in_doubt', reason: 'lost' })];
          const lost = { ...before, state: { ...aJob({ request: { lane: 'batch' } }).state } };
          const start = { open: before, in_doubt: doubtful, lost }[state];

          const job = [...steps, 0, 1, 2].reduce((now, n) => take(now, batches[n] ?? CHUNK, image(`i${n}`)), start);

          const { attempts, images, lateImages } = job.state;
          expect(summary(job)).toEqual(Array(3).fill('settled 7'));
          expect(new Set(attempts.map(({ providerBatch }) => providerBatch)).size).toBe(3);
          expect([images.length, images.length + lateImages.length]).toEqual([1, 3]);
        },
      ),
    );
  });

  it('is one step of the record, whatever it takes', () => {
    const change = settleLine(sent(), line(stray('b'), true), image('b'), NOON, () => 0.5);

    expect(change).toMatchObject({ before: sent(), after: { version: sent().version + 1 }, events: ['job.succeeded'] });
  });

  it('of a stray does not end an attempt whose own batch may still tell', () => {
    const refused = take(sent(), stray('b'), REFUSED);

    expect(refused.state).toMatchObject({ status: 'running', open: 'att_1' });
    expect(summary(refused)).toEqual(['open 0', 'settled 3']);
    expect(lastSent(refused.state)?.id).toBe('att_1');
    expect(take(refused, CHUNK, image('a')).state).toMatchObject({ status: 'succeeded', images: [{ sha256: 'a' }] });
  });

  it('that costs nothing changes nothing, unless nobody else can have made it', () => {
    const doubtful = end(sent(), 'att_1', { type: 'in_doubt', reason: 'lost' });

    expect(attribute(sent(), line(stray('b', true), false), NOON)).toBeUndefined();
    expect(attribute(doubtful, line(stray('b'), false), NOON)).toBeUndefined();
    expect(attribute(doubtful, line(stray('b', true), false), NOON)).toMatchObject({ attempt: 'att_1' });
    expect(attribute(sent(), line(CHUNK, false), NOON)).toEqual({ attempt: 'att_1', job: sent() });
  });

  it('that is billed behind the rejection of its attempt is one more, however often it is read', () => {
    let job = take(sent(), CHUNK, REJECTED);
    for (let n = 0; n < 2; n++) {
      job = take(job, CHUNK, REJECTED);
      job = take(job, CHUNK, image('a'));
    }

    expect(summary(job)).toEqual(['rejected 0', 'settled 7']);
    expect(job.state).toMatchObject({ status: 'succeeded', images: [{ sha256: 'a' }], lateImages: [] });
  });
});
