/** OpenRouter, or whoever speaks as it does: a chat that answers with images, or its images interface. */

import type { ChannelLook, OpenChannel } from '../../ports/channel.ts';
import type { Connect } from '../http/dispatcher.ts';
import { createKeyChannel, type LookOptions, type Shape } from '../http/key-channel.ts';
import { lookAt } from '../http/look.ts';
import { failedLook, lookAtList } from '../http/look-at-list.ts';
import type { ServedModels } from '../http/served.ts';
import { chatBody, imagesBody } from './request.ts';

export const OPENROUTER_BASE_URL = 'https://openrouter.ai/api/v1';

export type OpenRouterChannelOptions = {
  /** Default `openrouter`. */
  id?: string;
  apiKey: string;
  /** With its version and without a trailing slash. */
  baseUrl?: string;
  /** `chat` (the default) also carries what it thinks at; `images` is the only one for models that make nothing but images. */
  shape?: 'chat' | 'images';
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** Opens no connection before the first call; disposing ends its connections. */
export function createOpenRouterChannel(options: OpenRouterChannelOptions): OpenChannel {
  const { id = 'openrouter', apiKey, baseUrl = OPENROUTER_BASE_URL, shape = 'chat', models, connect } = options;
  return createKeyChannel({ id, apiKey, baseUrl, models, connect }, SHAPES[shape]);
}

const SHAPES: Record<'chat' | 'images', Shape> = {
  chat: {
    span: 'openrouter chat',
    provider: 'openrouter',
    look,
    post: (request, references, model) => ({
      path: '/chat/completions',
      contentType: 'application/json',
      body: JSON.stringify(chatBody(request, { references, model })),
      dialect: 'chat',
    }),
  },
  images: {
    span: 'openrouter images',
    provider: 'openrouter',
    look,
    post: (request, references, model) => ({
      path: '/images',
      contentType: 'application/json',
      body: JSON.stringify(imagesBody(request, { references, model })),
      dialect: 'images',
    }),
  },
};

/** Its list of models is open to anybody, so the key is looked at apart; a relay may know no such page. */
async function look(options: LookOptions): Promise<ChannelLook> {
  const { connections, baseUrl, headers, signal } = options;
  const key = await lookAt(connections, { url: new URL(`${baseUrl}/key`), headers }, signal);
  if (key.type === 'refused' || key.type === 'unreachable') return failedLook(key);
  return lookAtList(options, '/models?output_modalities=image');
}
