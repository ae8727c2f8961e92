import { hash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Job } from '../../domain/index.ts';
import { aJob, anAttempt, anImage, NOON } from '../../testing/factories.ts';
import { FIRST, second } from './dictionaries.ts';
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
  // What lies in Redis was packed so: each must be readable for ever. A better dictionary takes the next first byte.
  const FIRST_FORM =
    'AcOVA0CBkVuarvCoYYrChT0XdlxsUPgwv3crMXFETNLGLGGIqS+IKuJplVPwlHiwTJSUmgctLhFZSSm/CFLLm5gbGiphz1iIZgtKtrI0NTIytjS3NDQ3R4tsiIyFpaGJMUa8w+RMLQ3Q8qWlqbGhgTHUPHgWRbEFKbeipXczIwMzpDSPJTmiNk6oWKCDQpT05hXx7VJESzIvX6m2trYWAA==';
  const job: Job = {
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

  const SECOND_FORM =
    'AsXWyU0DUQwG4FamBNvPz0s5bzMnjhwjpQFu3KkCiQNFhBaoICUgmCQaCIsGgbhblvVLn+3PpL4svcuri+lpezPtHnb3j9tpf3t9twLsfPDXif13QyquRpETJR3opUvAW1dk9ENaZP6elueMKAmJ07myuf5rZazRFFCrgFW0JNY4q/Nqea+Nimiljp1qrkISoOPPNDpmmzUykeWTSHLXhUqCM5gqgN/hPLy2B52ysCkLmSnxAmdQHigFSu2YtJi5SRdrgqLh7BHaqDcmgmwBURGgah8+EIkhfgH3cYRVyOckP0RuyJk3m2c=';
  const row: Job = {
    id: 'job_01a1fd6226927e5d8013ba360c28f33c',
    tenant: 'default',
    version: 3,
    fingerprint: '9X1SM4ZN19Gj9hvRfrRifU',
    request: {
      prompt: 'A red mug — мир 🍵',
      model: 'gemini-3.1-flash-image',
      size: '512',
      references: [],
      tools: [],
      safety: [],
      lane: 'batch',
      priority: 5,
      onUnknownOutcome: 'retry',
      dedup: { windowMs: 60_000 },
      tags: [],
      metadata: {},
      batch: { id: 'bat_01a1fd622692769782f53237e19ad6f0', key: 'SKU-1282' },
    },
    state: {
      status: 'succeeded',
      createdAt: 1_795_252_432_892,
      expiresAt: 1_795_511_631_243,
      runAt: 1_795_252_432_892,
      attempts: [
        {
          id: 'att_01a1fd6247fc7017b608b18368c45794',
          channel: 'gemini',
          providerBatch: 'pb_01a1fd6247fc7a67b2d1d2b5b626f07e',
          model: 'gemini-3.1-flash-image',
          lane: 'batch',
          state: 'settled',
          startedAt: 1_795_252_439_158,
          ms: 42_285,
          cost: 22_997,
          tokens: 1_201,
        },
      ],
      estimated: 27_601,
      images: [
        {
          n: 0,
          mime: 'image/jpeg',
          width: 64,
          height: 64,
          bytes: 1_334,
          sha256: 'f25e16a0abd137a88986d68c6167f949ff7c2dc422058f0fb100b7de9e11240f',
          key: 'results/2026/11/21/job_01a1fd6226927e5d8013ba360c28f33c/0-f25e16a0.jpg',
        },
      ],
      lateImages: [],
      startedAt: 1_795_252_439_158,
      completedAt: 1_795_252_481_454,
    },
  };
  const goldens: [form: string, packed: string, golden: Job][] = [
    ['first', FIRST_FORM, job],
    ['second', SECOND_FORM, row],
  ];

  it('has the dictionaries of the first day', () => {
    expect(hash('sha256', FIRST)).toBe('dbb2ac0e2ca01bd9db0d7fc5196897fad5ce0b568adf054238753c536a29f346');
    expect(hash('sha256', second(row.id))).toBe('fb38312ad7ce1e8b2a39e637338922f8edafb9fc3d508f4215bb2b2acd1d6d92');
    expect(hash('sha256', second('own:1'))).toBe('088c1cb51972312882bff21673d61decf5303857d95a59ddeb102e8e76ef0ee6');
  });

  it.each(goldens)('that is the %s is read as on the first day', (_, packed, golden) => {
    const values = ['', Buffer.from(packed, 'base64'), '4', golden.fingerprint].map((value) => Buffer.from(value));

    expect(parseRecord(golden.tenant, golden.id, values)).toEqual({ ...golden, version: 4 });
  });

  it('takes a quarter of what a row that has its image would as JSON', () => {
    const plain = JSON.stringify({ request: row.request, state: row.state });

    expect(formatRecord(row).state.length).toBeLessThan(plain.length / 4);
  });
});
