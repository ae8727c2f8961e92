import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { aChannel } from '../testing/channels.ts';
import { type Carried, eligible } from './eligible.ts';
import { IMAGE_MIMES, LANES } from './job.ts';
import { MODELS } from './models.ts';

const SIZES = ['512', '1K', '2K', '4K'];
const RATIOS = ['1:1', '3:2', '16:9', '8:1'];
const MODEL_IDS = MODELS.map(({ id }) => id);

const channel = fc.record({
  id: fc.constantFrom('a', 'b', 'c'),
  lanes: fc.subarray([...LANES], { minLength: 1 }),
  models: fc.subarray(MODEL_IDS),
  trust: fc.record({ references: fc.boolean(), cost: fc.boolean() }),
  capabilities: fc.record({
    sizes: fc.subarray(SIZES),
    aspectRatios: fc.subarray(RATIOS),
    references: fc.nat(14),
    mimes: fc.subarray([...IMAGE_MIMES]),
    thinking: fc.boolean(),
    seed: fc.boolean(),
    safety: fc.boolean(),
    tools: fc.subarray(['google_search' as const]),
    signatures: fc.boolean(),
  }),
});

const request: fc.Arbitrary<Carried> = fc
  .record({
    size: fc.constantFrom(...SIZES),
    aspectRatio: fc.option(fc.constantFrom(...RATIOS), { nil: undefined }),
    seed: fc.option(fc.nat(), { nil: undefined }),
    thinking: fc.option(fc.constantFrom('minimal', 'low', 'high'), { nil: undefined }),
    tools: fc.subarray(['google_search' as const]),
    safety: fc.subarray([{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }]),
    references: fc.array(
      fc.record({ mime: fc.constantFrom(...IMAGE_MIMES), role: fc.constantFrom('object', 'style') }),
      {
        maxLength: 14,
      },
    ),
    channels: fc.option(fc.subarray(['a', 'b', 'c']), { nil: undefined }),
  })
  .map(({ aspectRatio, seed, thinking, channels, ...rest }) => ({
    ...rest,
    ...(aspectRatio !== undefined && { aspectRatio }),
    ...(seed !== undefined && { seed }),
    ...(thinking !== undefined && { thinking }),
    ...(channels && { routing: { channels } }),
  }));

const asked = fc.record({ model: fc.constantFrom(...MODEL_IDS), lane: fc.constantFrom(...LANES) });

it('every channel is either carried by or refused with a reason, in their order, and what is carried can be', () => {
  fc.assert(
    fc.property(request, asked, fc.uniqueArray(channel, { selector: ({ id }) => id }), (job, where, said) => {
      const specs = said.map(aChannel);

      const { channels, refusals } = eligible(job, where, specs);

      const seen = specs.flatMap(({ id }) => [
        ...channels.filter(({ spec }) => spec.id === id).map(() => id),
        ...refusals.filter((one) => one.channel === id).map(() => id),
      ]);
      expect(seen).toEqual(specs.map(({ id }) => id));
      expect(refusals.every(({ why }) => why.length > 0)).toBe(true);
      for (const { spec, served } of channels) {
        const { capabilities: can } = served;
        expect(spec.lanes).toContain(where.lane);
        expect(spec.models[where.model]).toBe(served);
        expect(can.sizes).toContain(job.size);
        expect(job.references.length).toBeLessThanOrEqual(can.references);
        expect(job.routing?.channels ?? [spec.id]).toContain(spec.id);
        expect(job.references.length === 0 || spec.trust.references).toBe(true);
      }
    }),
  );
});

it('a channel that can do less never carries what one that can do more refuses', () => {
  fc.assert(
    fc.property(request, asked, channel, (job, where, said) => {
      const carries = (spec: Parameters<typeof aChannel>[0]) =>
        eligible(job, where, [aChannel(spec)]).channels.length > 0;

      const more = { ...said, trust: { references: true, cost: true }, lanes: [...LANES], models: MODEL_IDS };

      expect(carries(said) && !carries(more)).toBe(false);
    }),
  );
});
