import type { ChannelSpec } from '../domain/index.ts';
import type { Breakers, Lines } from '../ports/index.ts';
import type { ChannelTeller } from './tell-channel.ts';

export const CHANNEL_ORDERS = ['open', 'close', 'drain', 'resume'] as const;
export type ChannelOrder = (typeof CHANNEL_ORDERS)[number];

type Deps = {
  breakers: Pick<Breakers, 'override'>;
  lines: Pick<Lines, 'open'>;
  channelTeller: Pick<ChannelTeller, 'closed'>;
};

/**
 * What an operator says of a channel. `open` and `drain` hold until `close` or `resume`. `close` = it is mended: what was is
 * forgotten, and its breakers go on by themselves. `resume` takes the word back, and forgets nothing.
 *
 * Safe to repeat. Cut in the middle, `close` leaves its breakers switched off, which is shown, until it is sent again.
 */
export async function orderChannel(
  { breakers, lines, channelTeller }: Deps,
  spec: ChannelSpec,
  order: ChannelOrder,
): Promise<void> {
  if (order === 'open' || order === 'drain') return breakers.override(spec.id, order);
  if (order === 'close') await breakers.override(spec.id, 'close');
  await breakers.override(spec.id, undefined);
  const models = Object.keys(spec.models);
  if (order === 'close') await channelTeller.closed(spec.id, models);
  for (const model of models) await lines.open(model, spec.id);
}
