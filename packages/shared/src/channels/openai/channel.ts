/**
 * OpenAI's images interface: OpenAI itself, Google's compatible endpoint, and relays that copy it.
 *
 * Without references a call is `images/generations`, with them `images/edits`.
 */

import { randomUUID } from 'node:crypto';
import type { OpenChannel } from '../../ports/channel.ts';
import type { Connect } from '../http/dispatcher.ts';
import { createKeyChannel, type Shape } from '../http/key-channel.ts';
import { lookAtList } from '../http/look-at-list.ts';
import type { ServedModels } from '../http/served.ts';
import { editBody, generationBody } from './request.ts';

export const OPENAI_BASE_URL = 'https://api.openai.com/v1';

export type OpenAiChannelOptions = {
  /** Default `openai`. */
  id?: string;
  apiKey: string;
  /** With its version and without a trailing slash; Google's is `https://generativelanguage.googleapis.com/v1beta/openai`. */
  baseUrl?: string;
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** Opens no connection before the first call; disposing ends its connections. */
export function createOpenAiChannel(options: OpenAiChannelOptions): OpenChannel {
  const { id = 'openai', apiKey, baseUrl = OPENAI_BASE_URL, models, connect } = options;
  return createKeyChannel({ id, apiKey, baseUrl, models, connect }, IMAGES);
}

const IMAGES: Shape = {
  span: 'openai images',
  provider: 'openai',
  look: (options) => lookAtList(options, '/models'),
  post(request, references, model) {
    if (request.references.length === 0) {
      const body = JSON.stringify(generationBody(request, model));
      return { path: '/images/generations', contentType: 'application/json', body, dialect: 'images' };
    }
    const boundary = `darkroom-${randomUUID()}`;
    return {
      path: '/images/edits',
      contentType: `multipart/form-data; boundary=${boundary}`,
      body: editBody(request, { references, model, boundary }),
      dialect: 'images',
    };
  },
};
