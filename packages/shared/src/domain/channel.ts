/**
 * A channel: one way to reach models, with what it may carry, how much of it, and at what price. Plain data, parsed from
 * the configuration; credentials are not in it.
 */

import type { ImageMime, Lane, Micros } from './job.ts';

export const CHANNEL_KINDS = ['gemini', 'vertex', 'openrouter', 'openai'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** What may be used of one model on one channel; absent = nobody has said, and it is learnt from refusals. */
export type Limits = {
  /** Requests, images and prompt tokens within any minute. */
  requestsPerMinute?: number;
  imagesPerMinute?: number;
  tokensPerMinute?: number;
  requestsPerDay?: number;
  /** When a day ends: at midnight Pacific, or 24 hours after each call. */
  day: 'pacific' | 'rolling';
  /** Calls in flight. */
  concurrency?: number;
};

/** What may be used of a channel as a whole, over all its models. */
export type ChannelLimits = {
  /** Micro-dollars within any ten minutes. */
  spendPerTenMinutes?: Micros;
  concurrency?: number;
};

/** What a request may have for a channel to carry it. */
export type Capabilities = {
  sizes: readonly string[];
  aspectRatios: readonly string[];
  /** Most reference images, and of which types. */
  references: number;
  mimes: readonly ImageMime[];
  thinking: boolean;
  seed: boolean;
  safety: boolean;
  tools: readonly 'google_search'[];
  /** Answers carry thought signatures, and turns that are sent back with theirs are understood. */
  signatures: boolean;
};

/** Absent = as the catalogue says. `perImage` = a flat price by size, whatever the usage says; `factor` = of the catalogue's rates. */
export type ChannelPrice = { perImage: Readonly<Record<string, Micros>> } | { factor: number };

/** One model as a channel offers it. */
export type ServedModel = {
  /** The provider's own id. */
  providerModel: string;
  limits: Limits;
  capabilities: Capabilities;
  price?: ChannelPrice;
};

export type ChannelSpec = {
  id: string;
  kind: ChannelKind;
  /** Lower goes first; among equals the cheapest, and among those by weight. */
  order: number;
  /** Share of the calls among channels that are equal otherwise; 0 = only when no other can. */
  weight: number;
  /** By the catalogue's id. */
  models: Readonly<Record<string, ServedModel>>;
  limits: ChannelLimits;
  lanes: readonly Lane[];
  /** `references`: callers' images may be sent there. `cost`: what it says a call cost is believed. */
  trust: { references: boolean; cost: boolean };
};

/** One model on one channel: what limits, breakers and figures are about. */
export type Place = { channel: string; model: string };

/** What the configuration says of a place; a channel that it does not name any more has no limits of ours. */
export function limitsIn(specs: readonly ChannelSpec[]): (place: Place) => { model: Limits; channel: ChannelLimits } {
  return ({ channel, model }) => {
    const spec = specs.find(({ id }) => id === channel);
    return { model: spec?.models[model]?.limits ?? { day: 'pacific' }, channel: spec?.limits ?? {} };
  };
}
