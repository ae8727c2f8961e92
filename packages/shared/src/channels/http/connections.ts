/** The connections of one channel: each call has one of its own, perhaps opened ahead. */

import { type Connect, createDispatcher } from './dispatcher.ts';
import { type ExchangeOptions, exchange, type HttpRequest, type WireEnd } from './exchange.ts';
import { createPreconnect } from './preconnect.ts';
import { createTurns } from './turns.ts';

export type Connections = AsyncDisposable & {
  /** Sends `request` once and says how that ended. Never throws for what network or provider do. */
  send(request: HttpRequest, options: SendOptions): Promise<WireEnd>;
  /** Opens one to where the last call went; does nothing before the first call. */
  preconnect(): void;
};

type SendOptions = Omit<ExchangeOptions, 'dispatcher' | 'turns'>;

/** Opens none before the first call; disposing ends them all. @param connect how sockets are opened */
export function openConnections(connect?: Connect): Connections {
  const ahead = createPreconnect(connect);
  const dispatcher = createDispatcher(ahead.connect);
  const turns = createTurns();
  return {
    send: (request, options) => exchange(request, { ...options, dispatcher, turns }),
    preconnect: () => ahead.preconnect(),
    [Symbol.asyncDispose]: async () => {
      ahead.close();
      await dispatcher.destroy();
    },
  };
}
