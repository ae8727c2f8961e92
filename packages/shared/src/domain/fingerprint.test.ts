import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aRequest, MINUTE } from '../testing/factories.ts';
import { digest, fingerprint, promptDigest, shortDigest } from './fingerprint.ts';
import type { JobRequest, Reference } from './job.ts';

const aReference = (sha256: string, more: Partial<Reference> = {}): Reference => ({
  key: `assets/default/${sha256}`,
  sha256,
  mime: 'image/png',
  bytes: 10,
  width: 1,
  height: 1,
  ...more,
});

/** Every field that makes another picture, set. */
const FULL = aRequest({
  aspectRatio: '4:5',
  seed: 42,
  thinking: 'high',
  tools: ['google_search'],
  safety: [
    { category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' },
    { category: 'HARM_CATEGORY_HATE_SPEECH', threshold: 'BLOCK_NONE' },
  ],
  references: [aReference('aa', { role: 'object', name: 'mug' }), aReference('bb')],
});

const { seed: _, ...WITHOUT_SEED } = FULL;

describe('the fingerprint', () => {
  it.each([
    ['a plain request', aRequest(), 'KHnJ5guZ33MrfT-FM1PhMR'],
    ['a request with everything', FULL, 'wswFKErRb827653H16IXvf'],
    ['a prompt in several scripts', aRequest({ prompt: 'Ångström ☕ 赤いマグ \u{1F3A8}' }), 'Ssp9fOFtKs13fqyUKbACwX'],
  ])('of %s is the same in every release', (_, request, golden) => {
    expect(fingerprint(request)).toBe(golden);
  });

  it.each<[string, Partial<JobRequest>]>([
    ['prompt', { prompt: 'a red mug on an oak table.' }],
    ['letter case', { prompt: 'A red mug on an oak table' }],
    ['model', { model: 'gemini-3-pro-image' }],
    ['size', { size: '2K' }],
    ['aspect ratio', { aspectRatio: '5:4' }],
    ['no seed', WITHOUT_SEED],
    ['seed', { seed: 43 }],
    ['seed 0', { seed: 0 }],
    ['thinking', { thinking: 'low' }],
    ['tools', { tools: [] }],
    ['safety', { safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }] }],
    ['content of a reference', { references: [aReference('ac', { role: 'object', name: 'mug' }), aReference('bb')] }],
    ['role of a reference', { references: [aReference('aa', { role: 'style', name: 'mug' }), aReference('bb')] }],
    ['name of a reference', { references: [aReference('aa', { role: 'object', name: 'cup' }), aReference('bb')] }],
    ['order of the references', { references: FULL.references.toReversed() }],
    ['models that may take over', { routing: { models: ['gemini-3-pro-image', 'gemini-nano-banana-2.1'] } }],
    ['placeholder', { routing: { placeholder: true } }],
    ['number of references', { references: FULL.references.slice(0, 1) }],
  ])('changes with the %s', (_, change) => {
    expect(fingerprint(change === WITHOUT_SEED ? WITHOUT_SEED : { ...FULL, ...change })).not.toBe(fingerprint(FULL));
  });

  it.each<[string, Partial<JobRequest>]>([
    ['priority', { priority: 9 }],
    ['tags', { tags: ['summer'] }],
    ['metadata', { metadata: { sku: '123' } }],
    ['max_cost', { maxCost: 1 }],
    ['policy for unknown outcomes', { onUnknownOutcome: 'hold' }],
    ['dedup window', { dedup: { windowMs: 5 * MINUTE } }],
    ['cache', { cache: { ttlMs: MINUTE } }],
    ['channels', { routing: { channels: ['gemini'] } }],
    ['hedge', { routing: { hedge: true } }],
    ['place of a reference', { references: FULL.references.map((reference) => ({ ...reference, key: 'elsewhere' })) }],
    ['order of the safety settings', { safety: FULL.safety.toReversed() }],
  ])('does not change with the %s', (_, change) => {
    expect(fingerprint({ ...FULL, ...change })).toBe(fingerprint(FULL));
  });

  it('is stable under Unicode normal form', () => {
    const composed = '\u00C5ngstr\u00F6m';

    expect(fingerprint(aRequest({ prompt: composed.normalize('NFD') }))).toBe(
      fingerprint(aRequest({ prompt: composed })),
    );
  });

  it('is the same whether the digest of the prompt was known or not', () => {
    expect(fingerprint(FULL, promptDigest(FULL.prompt))).toBe(fingerprint(FULL));
  });

  it('refuses a prompt with half a surrogate pair', () => {
    expect(() => fingerprint(aRequest({ prompt: 'a \ud83c mug' }))).toThrow('surrogate');
  });

  it('is stable under the order of keys', () => {
    const keys = Object.keys(FULL);
    fc.assert(
      fc.property(fc.shuffledSubarray(keys, { minLength: keys.length }), (order) => {
        const shuffled = Object.fromEntries(
          order.map((key) => [key, FULL[key as keyof JobRequest]]),
        ) as unknown as JobRequest;

        expect(fingerprint(shuffled)).toBe(fingerprint(FULL));
      }),
      { numRuns: 50 },
    );
  });

  it('tells any two prompts apart, up to their normal form', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        const same = fingerprint(aRequest({ prompt: a })) === fingerprint(aRequest({ prompt: b }));

        expect(same).toBe(a.normalize('NFC') === b.normalize('NFC'));
      }),
    );
  });
});

describe('digest', () => {
  it('is 43 characters, the same for the same JSON however it was written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const again: unknown = JSON.parse(JSON.stringify(value, undefined, 2));

        expect(digest(value)).toMatch(/^[A-Za-z0-9_-]{43}$/);
        expect(digest(again)).toBe(digest(value));
        expect(shortDigest(again)).toBe(digest(value).slice(0, 22));
      }),
    );
  });

  it('reads numbers by value', () => {
    expect(digest(JSON.parse('[1.0,1e2]'))).toBe(digest([1, 100]));
  });

  it('refuses what has no canonical form', () => {
    expect(() => digest('\ud800')).toThrow('surrogate');
    expect(() => digest(Number.NaN)).toThrow('NaN');
  });
});
