/** Who calls, in the headers that Vertex wants it said in. */

import type { Clock } from '../../ports/clock.ts';
import type { Credentials } from '../genai/generate-content.ts';
import { fromServiceAccount, fromThisMachine, readServiceAccount } from './google-token.ts';
import { createTokens, type Tokens } from './tokens.ts';

export type VertexCredentials =
  /** The JSON key of a service account, as text. */
  | { type: 'service_account'; json: string }
  /** The application default credentials of this machine. */
  | { type: 'adc' }
  /** A token that somebody else renews: it is looked up for each call. */
  | { type: 'access_token'; read: () => string };

export type Authorizer = {
  /** @throws CredentialsError when Google refuses them, another error when no token can be had now: then nothing is sent */
  authorize(signal: AbortSignal): Credentials | Promise<Credentials>;
  /** Gets a token ready, if one is needed soon. Never throws. */
  warm(): void;
  /** What `authorize` gave was refused. */
  refused(credentials: Credentials): void;
};

/** @throws TypeError for a service account that is none */
export function createAuthorizer(credentials: VertexCredentials, clock: Clock): Authorizer {
  switch (credentials.type) {
    case 'service_account':
      return byTokens(createTokens(fromServiceAccount(readServiceAccount(credentials.json), clock), clock));
    case 'adc':
      return byTokens(createTokens(fromThisMachine(clock), clock));
    default:
      return { authorize: () => bearer(credentials.read()), warm: () => undefined, refused: () => undefined };
  }
}

function byTokens(tokens: Tokens): Authorizer {
  return {
    authorize: async (signal) => bearer(await tokens.take(signal)),
    warm: () => tokens.warm(),
    refused: ({ authorization = '' }) => tokens.drop(authorization.replace('Bearer ', '')),
  };
}

function bearer(token: string): Credentials {
  return { authorization: `Bearer ${token}` };
}
