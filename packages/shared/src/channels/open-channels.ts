/** The configured channels, opened: the only place that knows which kind is which adapter. */

import type { ConfiguredChannel, VertexConnection } from '../config/channel-connection.ts';
import { ConfigError } from '../config/env.ts';
import type { ChannelSpec } from '../domain/channel.ts';
import type { Channel, ChannelLook, OpenChannel } from '../ports/channel.ts';
import type { Clock } from '../ports/clock.ts';
import { createGeminiChannel } from './gemini/channel.ts';
import type { Connect } from './http/dispatcher.ts';
import { reasonOf } from './http/exchange.ts';
import { createOpenAiChannel } from './openai/channel.ts';
import { createOpenRouterChannel } from './openrouter/channel.ts';
import { createVertexChannel } from './vertex/channel.ts';
import type { VertexCredentials } from './vertex/credentials.ts';

export type OpenOptions = {
  clock: Clock;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

export type Channels = AsyncDisposable & {
  /** In the order of the configuration. */
  specs: readonly ChannelSpec[];
  /** Undefined for one that is not configured (any more). */
  get(id: string): Channel | undefined;
  /** A free look at its credentials and models. Undefined for one that is not configured. Never throws. */
  check(id: string, signal: AbortSignal): Promise<ChannelLook | undefined>;
};

/**
 * Reads the credentials of all channels and makes an adapter of each. Opens no connection; disposing ends those of calls.
 *
 * @throws ConfigError naming every credential that is missing or none
 */
export function openChannels(configured: readonly ConfiguredChannel[], options: OpenOptions): Channels {
  const open = new Map<string, OpenChannel>();
  const problems: string[] = [];
  for (const one of configured) {
    try {
      open.set(one.id, openChannel(one, options));
    } catch (error) {
      problems.push(...problemsIn(error, one.id));
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    specs: configured,
    get: (id) => open.get(id),
    check: async (id, signal) => open.get(id)?.look(signal),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...open.values()].map((channel) => channel[Symbol.asyncDispose]()));
    },
  };
}

/** A free look at one channel, for who has not opened it: it may be that its credentials are not to be had there. Never throws. */
export async function lookAtChannel(
  configured: ConfiguredChannel,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<ChannelLook> {
  let channel: OpenChannel;
  try {
    channel = openChannel(configured, options);
  } catch (error) {
    return { type: 'unreadable', reason: problemsIn(error, configured.id).join('; ') };
  }
  await using opened = channel;
  return await opened.look(signal);
}

/** A mistake in the configuration names its own place. */
function problemsIn(error: unknown, id: string): readonly string[] {
  return error instanceof ConfigError ? error.problems : [`channel ${id}: ${reasonOf(error)}`];
}

function openChannel({ id, models, connection }: ConfiguredChannel, { clock, connect }: OpenOptions): OpenChannel {
  const { baseUrl } = connection;
  const common = { id, models, ...(baseUrl && { baseUrl }), ...(connect && { connect }) };
  switch (connection.kind) {
    case 'gemini': {
      const { auth, apiKey } = connection;
      return createGeminiChannel({ ...common, auth, apiKey: apiKey.read().reveal(), apiVersion: 'v1beta' });
    }
    case 'vertex': {
      const { project, location } = connection;
      return createVertexChannel({ ...common, project, location, clock, credentials: credentialsOf(connection) });
    }
    case 'openrouter':
      return createOpenRouterChannel({
        ...common,
        shape: connection.shape,
        apiKey: connection.apiKey.read().reveal(),
      });
    default:
      return createOpenAiChannel({ ...common, apiKey: connection.apiKey.read().reveal() });
  }
}

/** Who calls, with a token that is missing told at once. @throws ConfigError for a credential that is missing */
export function credentialsOf({ auth }: VertexConnection): VertexCredentials {
  switch (auth.type) {
    case 'service_account':
      return { type: 'service_account', json: auth.key.read().reveal() };
    case 'access_token': {
      auth.token.read(); // a token that is missing now is told now
      return { type: 'access_token', read: () => auth.token.read().reveal() };
    }
    default:
      return { type: 'adc' };
  }
}
