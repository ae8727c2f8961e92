/**
 * Gemini's models by Vertex AI: the same request and answer as Gemini's own, under a project's path.
 *
 * It differs in who calls (a bearer token of Google's cloud), in `gs://` addresses that stand for the bytes of a
 * reference, and in the words of its refusals.
 */

import { GoogleGenAI } from '@google/genai';
import type { JobRequest } from '../../domain/job.ts';
import { MODELS } from '../../domain/models.ts';
import type { CallOptions, ChannelLook, Exchange, OpenChannel } from '../../ports/channel.ts';
import type { Clock } from '../../ports/clock.ts';
import { CredentialsError } from '../genai/credentials-error.ts';
import { type Credentials, generateContent, NO_KEY } from '../genai/generate-content.ts';
import { lookAtModels } from '../genai/look-at-models.ts';
import { factsOf, inCallSpan } from '../http/call-span.ts';
import { openConnections } from '../http/connections.ts';
import type { Connect } from '../http/dispatcher.ts';
import { reasonOf } from '../http/exchange.ts';
import { lookAt } from '../http/look.ts';
import { providerModelOf, type ServedModels } from '../http/served.ts';
import { createAuthorizer, type VertexCredentials } from './credentials.ts';
import { modelPath, publisherPath, vertexBaseUrl } from './endpoint.ts';

const VERSION = 'v1beta1';

export type VertexChannelOptions = {
  id: string;
  credentials: VertexCredentials;
  project: string;
  /** `global` (the default), `us`, `eu` or a region. */
  location?: string;
  /** Without a version and without a trailing slash; by default the location's own. */
  baseUrl?: string;
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels;
  clock: Clock;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** Opens no connection before the first call; disposing ends its connections. @throws TypeError for a service account that is none */
export function createVertexChannel(options: VertexChannelOptions): OpenChannel {
  const { id, credentials, project, location = 'global', models, clock, connect } = options;
  const { baseUrl = vertexBaseUrl(location) } = options;
  const connections = openConnections(connect);
  const authorizer = createAuthorizer(credentials, clock);
  const host = new URL(baseUrl).hostname;
  // Everything is passed, so that no environment variable can send calls elsewhere.
  const gemini = new GoogleGenAI({
    apiKey: NO_KEY,
    vertexai: true,
    project,
    location,
    apiVersion: VERSION,
    httpOptions: { baseUrl, apiVersion: VERSION },
  });
  const takesUris = true;
  const pathOf = (model: string) => modelPath({ project, location }, model);
  const served = models ? Object.keys(models) : MODELS.map((model) => model.id);

  async function call(request: JobRequest, callOptions: CallOptions): Promise<Exchange> {
    let given: Credentials = {};
    const authorize = async (signal: AbortSignal) => {
      given = await authorizer.authorize(signal);
      return given;
    };
    const generate = { gemini, connections, authorize, pathOf, models, takesUris };
    const end = await generateContent(generate, request, callOptions);
    if (end.type === 'answered' && end.answer.httpStatus === 401) authorizer.refused(given);
    return end;
  }

  async function look(signal: AbortSignal): Promise<ChannelLook> {
    try {
      const headers = await authorizer.authorize(signal);
      return await lookAtModels(served, (model) => {
        const url = new URL(`${baseUrl}/${VERSION}/${publisherPath(providerModelOf(models, model))}`);
        return lookAt(connections, { url, headers }, signal);
      });
    } catch (error) {
      return withoutToken(error);
    }
  }

  return {
    id,
    takesUris,
    preconnect() {
      authorizer.warm();
      connections.preconnect();
    },
    call: (request, callOptions) =>
      inCallSpan('vertex generateContent', factsOf(request, { provider: 'gcp.vertex_ai', host }), () =>
        call(request, callOptions),
      ),
    look,
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}

function withoutToken(error: unknown): ChannelLook {
  if (error instanceof CredentialsError) return { type: 'refused', http: error.http, message: error.message };
  return { type: 'unreachable', reason: reasonOf(error) };
}
