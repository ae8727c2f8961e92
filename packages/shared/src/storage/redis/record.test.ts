import { hash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../domain/index.ts';
import { aJob, anAttempt, anImage, NOON } from '../../testing/factories.ts';
import { DICTIONARY } from './pack.ts';
import { formatRecord, parseRecord } from './record.ts';

const unicode = fc.string({ unit: 'binary', maxLength: 2_000 });
/** Whatever a JavaScript string may be, also halves of characters. */
const anything = fc.array(fc.integer({ min: 0, max: 0xff_ff })).map((units) => String.fromCharCode(...units));

function stored(job: Job) {
  const { request, state } = formatRecord(job);
  return [request, state, String(job.version), job.fingerprint].map((value) => Buffer.from(value));
}

const readAgain = (job: Job) => parseRecord(job.tenant, job.id, stored(job));

function aJobAtRest(prompt = 'a red mug'): Job {
  return aJob({
    id: 'job_1',
    version: 4,
    request: { prompt },
    state: { status: 'succeeded', completedAt: NOON, attempts: [anAttempt({ state: 'settled' })], images: [anImage()] },
  });
}

describe('a record', () => {
  it('is read as it was written, whatever its texts hold', () => {
    fc.assert(
      fc.property(fc.oneof(unicode, anything), unicode, fc.boolean(), (prompt, text, isOpen) => {
        const job = aJobAtRest(prompt);
        const written: Job = { ...job, state: { ...job.state, text, ...(isOpen && { open: 'att_1' }) } };

        expect(readAgain(written)).toEqual(written);
      }),
    );
  });

  it('is plain while it may still change', () => {
    const queued = aJob();
    const late = aJob({ state: { status: 'canceled', open: 'att_1' } });

    for (const job of [queued, late]) {
      const { request, state } = formatRecord(job);
      expect([request, state]).toEqual([JSON.stringify(job.request), JSON.stringify(job.state)]);
    }
  });

  it('is a fraction of its size once it rests', () => {
    const job = aJobAtRest('a red mug on an old oak table beside the window');
    const plain = JSON.stringify(job.request).length + JSON.stringify(job.state).length;

    const { request, state } = formatRecord(job);

    expect(request).toBe('');
    expect(state.length).toBeLessThan(plain / 2);
  });

  it('is not there without its fields', () => {
    expect(parseRecord('default', 'job_1', [null, null, null, null])).toBeUndefined();
  });

  it.each([
    ['cut short', (packed: Buffer) => packed.subarray(0, -5), /unexpected end|invalid/i],
    ['of a newer form', (packed: Buffer) => Buffer.concat([Buffer.of(9), packed.subarray(1)]), /form 9/],
    ['half of a text', () => Buffer.from('{'), /JSON/],
  ])('that is %s is refused', (_, spoil, reason) => {
    const job = aJobAtRest();
    const [request = null, state = Buffer.alloc(0), ...rest] = stored(job);

    expect(() => parseRecord(job.tenant, job.id, [request, spoil(state), ...rest])).toThrow(reason);
  });
});

describe('the packed form', () => {
  // What lies in Redis was packed so: this must be readable for ever. A better dictionary takes the next first byte.
  const GOLDEN =
    'AcOVA0CBkVuarvCoYYrChT0XdlxsUPgwv3crMXFETNLGLGGIqS+IKuJplVPwlHiwTJSUmgctLhFZSSm/CFLLm5gbGiphz1iIZgtKtrI0NTIytjS3NDQ3R4tsiIyFpaGJMUa8w+RMLQ3Q8qWlqbGhgTHUPHgWRbEFKbeipXczIwMzpDSPJTmiNk6oWKCDQpT05hXx7VJESzIvX6m2trYWAA==';
  const golden: Job = {
    id: 'job_01a1fbb251ca7be583c77d490862da44',
    tenant: 'default',
    version: 4,
    fingerprint: 'ejZcGlJneEOhkNYtWY9VhGFA1zEPLRG1r',
    request: {
      prompt: 'A red mug — мир 🍵',
      model: 'gemini-nano-banana-2.1',
      size: '1K',
      references: [],
      tools: ['google_search'],
      safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      lane: 'standard',
      priority: 5,
      onUnknownOutcome: 'retry',
      dedup: { windowMs: 60_000 },
      cache: { ttlMs: 86_400_000 },
      tags: ['bench'],
      metadata: { order: '4711' },
    },
    state: {
      status: 'expired',
      createdAt: 1_795_223_979_177,
      startedAt: 1_795_223_989_143,
      completedAt: 1_795_223_989_590,
      expiresAt: 1_795_310_379_177,
      runAt: 1_795_223_979_177,
      attempts: [],
      estimated: 36_206,
      images: [],
      lateImages: [],
      warnings: ['photograph of a person in the background with soft light, portrait, landscape'],
      error: { code: 'content_blocked', detail: 'The ', upstream: { channel: 'gemini', http: 429, message: 'no' } },
    },
  };

  it('has the dictionary of the first day', () => {
    expect(hash('sha256', DICTIONARY)).toBe('dbb2ac0e2ca01bd9db0d7fc5196897fad5ce0b568adf054238753c536a29f346');
  });

  it('is read as on the first day', () => {
    const values = ['', Buffer.from(GOLDEN, 'base64'), '4', golden.fingerprint].map((value) => Buffer.from(value));

    expect(parseRecord(golden.tenant, golden.id, values)).toEqual(golden);
  });
});
