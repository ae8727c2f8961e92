import { describe, expect, it } from 'vitest';
import { aChannel } from '../testing/channels.ts';
import { type Carried, eligible } from './eligible.ts';
import type { ImageMime } from './job.ts';

const FLASH = { model: 'gemini-nano-banana-2.1', lane: 'standard' } as const;
const PLAIN: Carried = { size: '1K', tools: [], safety: [], references: [] };
const SAFETY = [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }];

function references(count: number, more: { mime?: ImageMime; role?: string } = {}) {
  return Array.from({ length: count }, () => more);
}

describe('a channel that can do everything', () => {
  it('carries a plain request, with what it serves of the model', () => {
    const spec = aChannel();

    const { channels, refusals } = eligible(PLAIN, FLASH, [spec]);

    expect(channels).toEqual([{ spec, served: spec.models['gemini-nano-banana-2.1'] }]);
    expect(refusals).toEqual([]);
  });

  it('carries what uses all of it', () => {
    const request: Carried = {
      size: '4K',
      aspectRatio: '8:1',
      seed: 0,
      thinking: 'high',
      tools: ['google_search'],
      safety: SAFETY,
      references: references(14, { mime: 'image/webp', role: 'object' }),
      routing: { channels: ['other', 'gemini'] },
    };

    expect(eligible(request, FLASH, [aChannel()]).refusals).toEqual([]);
  });
});

describe('a channel is refused', () => {
  const little = {
    sizes: ['1K'],
    aspectRatios: ['1:1'],
    references: 3,
    mimes: ['image/png' as const],
    thinking: false,
    seed: false,
    safety: false,
    tools: [],
    signatures: false,
  };
  it.each<[string, Partial<Carried>]>([
    ['does not make size 2K', { size: '2K' }],
    ['does not make ratio 8:1', { aspectRatio: '8:1' }],
    ['takes at most 3 reference images, the job has 14', { references: references(14) }],
    ['takes no image/webp', { references: references(1, { mime: 'image/webp' }) }],
    ['has no thinking levels', { thinking: 'high' }],
    ['takes no seed', { seed: 0 }],
    ['takes no safety settings', { safety: SAFETY }],
    ['has no google_search', { tools: ['google_search'] }],
    ['is not in routing.channels', { routing: { channels: ['other'] } }],
  ])('because it %s', (why, more) => {
    const spec = aChannel({ capabilities: little });

    expect(eligible({ ...PLAIN, ...more }, FLASH, [spec])).toEqual({
      channels: [],
      refusals: [{ channel: 'gemini', why }],
    });
  });

  it('because it takes no references at all', () => {
    const spec = aChannel({ capabilities: { ...little, references: 0 } });

    expect(eligible({ ...PLAIN, references: references(1) }, FLASH, [spec]).refusals).toEqual([
      { channel: 'gemini', why: 'takes no reference images, the job has 1' },
    ]);
  });

  it.each([
    [
      'does not serve gemini-3-pro-image',
      aChannel({ models: ['gemini-nano-banana-2.1'] }),
      { ...FLASH, model: 'gemini-3-pro-image' },
      {},
    ],
    ['does not carry lane batch', aChannel({ lanes: ['standard'] }), { ...FLASH, lane: 'batch' as const }, {}],
    [
      'takes no tools in lane batch',
      aChannel(),
      { ...FLASH, lane: 'batch' as const },
      { tools: ['google_search' as const] },
    ],
    [
      "may not be sent callers' images",
      aChannel({ trust: { references: false, cost: false } }),
      FLASH,
      { references: references(1) },
    ],
    [
      'has no thinking medium for gemini-3-pro-image',
      aChannel(),
      { ...FLASH, model: 'gemini-3-pro-image' },
      { thinking: 'medium' },
    ],
    [
      'takes at most 5 character references for gemini-3-pro-image, the job has 6',
      aChannel(),
      { ...FLASH, model: 'gemini-3-pro-image' },
      { references: references(6, { role: 'character' }) },
    ],
  ])('because it %s', (why, spec, asked, more) => {
    expect(eligible({ ...PLAIN, ...more }, asked, [spec]).refusals).toEqual([{ channel: spec.id, why }]);
  });
});
