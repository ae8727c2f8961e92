/** The answers of `/v1/channels`, and how a place is spoken of everywhere. */

import { z } from 'zod';
import { BREAKER_STATES, CALL_ENDS, CHANNEL_KINDS, LANES } from '../domain/index.ts';

const time = z.string().meta({ format: 'date-time' });
const money = z.string().meta({ examples: ['0.134'] });

export const HEALTHS = ['available', 'degraded', 'broken', 'parked', 'out'] as const;

/** A place in one word. */
export const HealthView = z.enum(HEALTHS).meta({
  id: 'Health',
  description:
    'available: calls go. degraded: they go, and many fail. parked: a limit keeps everybody away. broken: too many failed, and it is left alone. out: its key is refused, its model is gone, or an operator holds it.',
});
export type HealthView = z.output<typeof HealthView>;

const COUNTED = ['requests', 'images', 'tokens', 'day', 'concurrency', 'channel_concurrency'] as const;

function windowOf<W extends z.ZodType, A extends z.ZodType>(window: W, amount: A) {
  return z.object({
    window,
    used: amount,
    limit: amount.optional().meta({ description: 'What holds now; absent while none is known.' }),
    learnt: z
      .object({ limit: amount, until: time })
      .optional()
      .meta({ description: 'The limit as a refusal taught it, and until when that holds.' }),
    free_at: time.optional().meta({ description: 'When it has room again; while it is full.' }),
  });
}

const CountWindow = windowOf(
  z.enum(COUNTED).meta({
    description:
      'requests, images and tokens of a minute; requests of a day; calls in flight of the model (concurrency) and of the channel.',
  }),
  z.number(),
).meta({ id: 'CountWindow' });

const SpendWindow = windowOf(
  z.literal('spend').meta({
    description: 'Dollars of ten minutes, of all tenants: shown to keys with the scope admin alone.',
  }),
  z.string().meta({ description: 'Dollars, as a decimal.', examples: ['0.314468'] }),
).meta({ id: 'SpendWindow' });

/** One limit, and how much of it is used: a number of something, or money as everywhere. */
export const WindowView = z.discriminatedUnion('window', [CountWindow, SpendWindow]).meta({ id: 'Window' });
export type WindowView = z.output<typeof WindowView>;

export const ParkedView = z
  .object({
    until: time,
    reason: z.enum(['rate_limited', 'parked']).meta({
      description:
        'rate_limited: for a while. parked: until the daily quota starts anew, or for as long as the provider says.',
    }),
    why: z.string(),
  })
  .meta({ id: 'Parked' });

const Prices = z.record(z.string(), z.record(z.string(), money));

export const PlaceView = z
  .object({
    model: z.string(),
    provider_model: z.string().meta({ description: "The provider's own id of it." }),
    health: HealthView,
    until: time.optional().meta({ description: 'When calls may go again; where that is known.' }),
    breaker: z.object({
      state: z.enum(BREAKER_STATES),
      probe_at: time.optional().meta({ description: 'When one call may try whether it is well again.' }),
      out: z.enum(['auth', 'retired']).optional().meta({ description: 'The key is refused, or the model is gone.' }),
    }),
    windows: z.array(WindowView),
    parked: ParkedView.optional(),
    calls: z.int().meta({ description: 'Ended within the last ten minutes.' }),
    error_rate: z
      .number()
      .optional()
      .meta({ description: 'Faults of the place among those calls, of 1; blocked and limited ones are none.' }),
    ends: z.partialRecord(z.enum(CALL_ENDS), z.object({ calls: z.int(), rate: z.number() })).meta({
      description: 'Those calls by how they ended.',
    }),
    p50_ms: z.number().optional().meta({ description: 'Of answered calls; from 20 of them on.' }),
    p95_ms: z.number().optional(),
    prices: Prices.meta({ description: 'lane → size → dollars an image' }),
    capabilities: z.object({
      sizes: z.array(z.string()),
      aspect_ratios: z.array(z.string()),
      references: z.int(),
      mimes: z.array(z.string()),
      thinking: z.boolean(),
      seed: z.boolean(),
      safety: z.boolean(),
      tools: z.array(z.string()),
      signatures: z.boolean(),
    }),
  })
  .meta({ id: 'Place', description: 'One model on one channel, as it stands over all workers.' });
export type PlaceView = z.output<typeof PlaceView>;

const OVERRIDES = ['open', 'close', 'drain'] as const;

export const ChannelView = z
  .object({
    id: z.string(),
    kind: z.enum(CHANNEL_KINDS),
    order: z.number().meta({ description: 'Lower goes first.' }),
    weight: z.number().meta({ description: 'Share of the calls among equals.' }),
    lanes: z.array(z.enum(LANES)),
    trust: z.object({
      references: z.boolean().meta({ description: "Callers' images may be sent there." }),
      cost: z.boolean().meta({ description: 'What it says a call cost is believed.' }),
    }),
    override: z.enum(OVERRIDES).optional().meta({
      description: 'What an operator has said: open holds it back, drain lets its calls end and makes no new ones.',
    }),
    health: HealthView.meta({ description: 'That of its best model.' }),
    models: z.array(PlaceView),
  })
  .meta({ id: 'Channel', description: 'A way to reach models. Credentials and addresses are never shown.' });
export type ChannelView = z.output<typeof ChannelView>;

export const ChannelList = z.object({ data: z.array(ChannelView) }).meta({ id: 'ChannelList' });
