/** Channels, filled in where a test does not care. */

import type { Capabilities, ChannelPrice, ChannelSpec } from '../domain/channel.ts';
import { IMAGE_MIMES, LANES } from '../domain/job.ts';
import { MODELS } from '../domain/models.ts';

/** What a test says about a channel; `capabilities` and `price` are those of all its models. */
export type ChannelOverrides = Partial<Omit<ChannelSpec, 'models'>> & {
  models?: string[];
  capabilities?: Capabilities;
  price?: ChannelPrice;
};

/** One that carries everything its models can do, under no limit: as without a channels file. */
export function aChannel({
  models = MODELS.map(({ id }) => id),
  capabilities,
  price,
  ...rest
}: ChannelOverrides = {}): ChannelSpec {
  const served = MODELS.filter(({ id }) => models.includes(id)).map((model) => [
    model.id,
    {
      providerModel: model.id,
      limits: { day: 'pacific' as const },
      capabilities: capabilities ?? {
        sizes: model.sizes,
        aspectRatios: model.aspectRatios,
        references: model.references.max,
        mimes: IMAGE_MIMES,
        thinking: true,
        seed: true,
        safety: true,
        tools: model.tools,
        signatures: true,
      },
      ...(price && { price }),
    },
  ]);
  return {
    id: 'gemini',
    kind: 'gemini',
    order: 1,
    weight: 1,
    models: Object.fromEntries(served),
    limits: {},
    lanes: LANES,
    trust: { references: true, cost: false },
    ...rest,
  };
}
