/** The Gemini API, or a relay that speaks as it does, reached with a key. */

import { GoogleGenAI } from '@google/genai';
import { objectOf, objectsOf, textOf } from '../../domain/lenient.ts';
import { MODELS } from '../../domain/models.ts';
import type { ChannelLook, OpenChannel } from '../../ports/channel.ts';
import { type Credentials, generateContent, NO_KEY } from '../genai/generate-content.ts';
import { lookAtModels } from '../genai/look-at-models.ts';
import { factsOf, inCallSpan } from '../http/call-span.ts';
import { openConnections } from '../http/connections.ts';
import type { Connect } from '../http/dispatcher.ts';
import { lookAt, type Seen } from '../http/look.ts';
import { failedLook } from '../http/look-at-list.ts';
import { providerModelOf, type ServedModels } from '../http/served.ts';

export const GEMINI_BASE_URL = 'https://generativelanguage.googleapis.com';

export type GeminiChannelOptions = {
  /** Default `gemini`. */
  id?: string;
  apiKey: string;
  /** How the key is shown: as Google wants it (the default), or as relays do, `Authorization: Bearer`. */
  auth?: 'api_key' | 'bearer';
  /** Without a version and without a trailing slash. */
  baseUrl?: string;
  apiVersion: 'v1beta' | 'v1';
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** Opens no connection before the first call; disposing ends its connections. */
export function createGeminiChannel(options: GeminiChannelOptions): OpenChannel {
  const { id = 'gemini', apiKey, auth = 'api_key', baseUrl = GEMINI_BASE_URL, apiVersion, models, connect } = options;
  const connections = openConnections(connect);
  const host = new URL(baseUrl).hostname;
  const credentials: Credentials =
    auth === 'bearer' ? { authorization: `Bearer ${apiKey}` } : { 'x-goog-api-key': apiKey };
  // Everything is passed, so that no environment variable can send calls elsewhere.
  const gemini = new GoogleGenAI({ apiKey: NO_KEY, vertexai: false, apiVersion, httpOptions: { baseUrl, apiVersion } });
  const takesUris = false;
  const generate = { gemini, connections, authorize: () => credentials, pathOf, models, takesUris };
  const served = models ? Object.keys(models) : MODELS.map((model) => model.id);

  const get = (path: string, signal: AbortSignal) =>
    lookAt(connections, { url: new URL(`${baseUrl}/${apiVersion}/${path}`), headers: credentials }, signal);

  /** Asks for the list, and for each model that is not on it: neither knows everything, and a relay may know but one. */
  async function look(signal: AbortSignal): Promise<ChannelLook> {
    const list = await get('models?pageSize=1000', signal);
    if (list.type === 'refused' || list.type === 'unreachable') return failedLook(list);
    const listed = new Set(list.type === 'ok' ? namesIn(list.body) : []);
    const see = async (model: string): Promise<Seen> => {
      const path = pathOf(providerModelOf(models, model));
      return listed.has(path) ? { type: 'ok', body: undefined } : get(path, signal);
    };
    return lookAtModels(served, see, { good: list.type === 'ok' });
  }

  return {
    id,
    takesUris,
    preconnect: () => connections.preconnect(),
    call: (request, callOptions) =>
      inCallSpan('gemini generateContent', factsOf(request, { provider: 'gcp.gemini', host }), () =>
        generateContent(generate, request, callOptions),
      ),
    look,
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

function namesIn(list: unknown): (string | undefined)[] {
  return objectsOf(objectOf(list)['models']).map((model) => textOf(model['name']));
}

function pathOf(providerModel: string): string {
  return `models/${providerModel}`;
}
