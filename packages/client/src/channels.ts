/** Ways to reach models, how they are, and what an operator says of them. */

import type { ChannelView, LimitList, ModelView, ResumedModel } from '@darkroom/shared/schemas';
import type { Http } from './http.ts';

type Options = { signal?: AbortSignal | undefined };

/** `open` holds it back, `drain` lets its calls end, `close` = it is mended, `resume` takes back what was said. */
export type ChannelOrder = 'open' | 'close' | 'drain' | 'resume';

export type ChannelMethods = {
  channels: {
    /** In the order of the configuration. */
    list(options?: Options): Promise<{ data: ChannelView[] }>;
    get(id: string, options?: Options): Promise<ChannelView>;
    /** Needs a key with the scope `admin`. Safe to repeat. */
    order(id: string, order: ChannelOrder, options?: Options): Promise<ChannelView>;
  };
  /** How much of its limits each model has used on each channel, and what bounds the tenant and key that ask. */
  listLimits(options?: Options): Promise<LimitList>;
  /** Ends the pauses of a model. Needs a key with the scope `admin`. */
  resumeModel(model: string, options?: Options): Promise<ResumedModel>;
  /** What each model can do, what it costs, and whether it can be had now. */
  listModels(options?: Options): Promise<{ data: ModelView[] }>;
};

export function channelMethods(http: Http): ChannelMethods {
  const channel = (id: string) => `/v1/channels/${encodeURIComponent(id)}`;
  return {
    channels: {
      list: (options) => http.json('/v1/channels', { ...options }),
      get: (id, options) => http.json(channel(id), { ...options }),
      order: (id, order, options) => http.json(`${channel(id)}/${order}`, { method: 'POST', ...options }),
    },
    listLimits: (options) => http.json('/v1/limits', { ...options }),
    resumeModel: (model, options) =>
      http.json(`/v1/limits/${encodeURIComponent(model)}/resume`, { method: 'POST', ...options }),
    listModels: (options) => http.json('/v1/models', { ...options }),
  };
}
