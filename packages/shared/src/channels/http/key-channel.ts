/** A channel behind one key and plain HTTP: each call is one POST, built here and sent as it is. */

import type { Dialect } from '../../domain/answer.ts';
import type { JobRequest } from '../../domain/job.ts';
import { MODELS } from '../../domain/models.ts';
import type { CallOptions, ChannelLook, Exchange, OpenChannel, ReferenceInput } from '../../ports/channel.ts';
import { factsOf, inCallSpan } from './call-span.ts';
import { type Connections, openConnections } from './connections.ts';
import type { Connect } from './dispatcher.ts';
import { reasonOf } from './exchange.ts';
import { keep } from './keep.ts';
import { assertCarried, providerModelOf, type ServedModels } from './served.ts';

export type KeyChannelOptions = {
  id: string;
  apiKey: string;
  baseUrl: string;
  /** Absent = every model of the catalogue, by its own id. */
  models: ServedModels | undefined;
  connect: Connect | undefined;
};

/** One request, without what says who sends it. */
type Post = { path: string; contentType: string; body: string | Buffer; dialect: Dialect };

export type Shape = {
  /** The span of a call, and who is asked. */
  span: string;
  provider: string;
  /** @param model what the provider calls `request.model`. @throws Error that names what cannot be carried */
  post(request: JobRequest, references: readonly ReferenceInput[], model: string): Post;
  look(at: LookOptions): Promise<ChannelLook>;
};

export type LookOptions = {
  connections: Connections;
  baseUrl: string;
  headers: Record<string, string>;
  /** What is served: the catalogue's id, and the provider's. */
  served: { model: string; providerModel: string }[];
  signal: AbortSignal;
};

/** Opens no connection before the first call; disposing ends its connections. */
export function createKeyChannel(options: KeyChannelOptions, shape: Shape): OpenChannel {
  const { id, apiKey, baseUrl, models, connect } = options;
  const connections = openConnections(connect);
  const host = new URL(baseUrl).hostname;
  const headers = { authorization: `Bearer ${apiKey}` };
  const served = Object.keys(models ?? Object.fromEntries(MODELS.map((model) => [model.id, model])));

  async function call(request: JobRequest, callOptions: CallOptions): Promise<Exchange> {
    const { entry, references, timeoutMs, signal, leaving } = callOptions;
    let post: Post;
    try {
      assertCarried(models, request, { references, takesUris: false });
      post = shape.post(request, references, providerModelOf(models, request.model));
    } catch (error) {
      return { type: 'unsent', reason: `the request was refused before it was sent: ${reasonOf(error)}` };
    }
    const { path, contentType, body, dialect } = post;
    // A compressed body could not be lifted as it comes.
    const all = { ...headers, 'content-type': contentType, accept: 'application/json', 'accept-encoding': 'identity' };
    const http = { method: 'POST', url: new URL(`${baseUrl}${path}`), headers: all, body } as const;
    return keep(await connections.send(http, { entry, timeoutMs, signal, leaving }), callOptions, {
      dialect,
      secrets: [apiKey],
    });
  }

  return {
    id,
    takesUris: false,
    preconnect: () => connections.preconnect(),
    call: (request, callOptions) =>
      inCallSpan(shape.span, factsOf(request, { provider: shape.provider, host }), () => call(request, callOptions)),
    look: (signal) => {
      const asked = served.map((model) => ({ model, providerModel: providerModelOf(models, model) }));
      return shape.look({ connections, baseUrl, headers, served: asked, signal });
    },
    [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
  };
}
