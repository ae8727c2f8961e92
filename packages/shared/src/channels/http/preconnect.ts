/**
 * A connection opened while its call is still being made ready: with TLS that saves three trips to the provider.
 *
 * Each carries one call and nothing before it, as any other does. What no call takes within two seconds is closed, far
 * sooner than a provider closes it, so that no call is sent into a connection that is about to end.
 */

import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import type { Connect } from './dispatcher.ts';

const UNUSED_MS = 2_000;
/** Opened ahead at any one time. */
const AHEAD_MAX = 8;

export type Preconnect = {
  /** Gives each call a connection that was opened ahead, or a new one. */
  connect: buildConnector.connector;
  /** Opens one to where the last call went; does nothing before the first call. */
  preconnect(): void;
  /** Closes what no call took. */
  close(): void;
};

type Ahead = { to: buildConnector.Options; socket: Promise<Socket | undefined> };

/** @param connect how sockets are opened; HTTP/1.1 only when it is not given */
export function createPreconnect(connect: Connect = {}): Preconnect {
  const open = typeof connect === 'function' ? connect : buildConnector({ ...connect, allowH2: false });
  let last: buildConnector.Options | undefined;
  let ahead: Ahead[] = [];

  function drop(one: Ahead): void {
    ahead = ahead.filter((other) => other !== one);
    void one.socket.then((socket) => socket?.destroy());
  }

  async function give(one: Ahead, options: buildConnector.Options, callback: buildConnector.Callback): Promise<void> {
    const socket = await one.socket;
    if (socket && isFresh(socket)) callback(null, socket);
    else open(options, callback);
  }

  return {
    connect(options, callback) {
      last = options;
      const one = ahead.find(({ to }) => isSame(to, options));
      if (!one) return open(options, callback);
      ahead = ahead.filter((other) => other !== one);
      void give(one, options, callback);
    },
    preconnect() {
      if (!last || ahead.length >= AHEAD_MAX) return;
      const one: Ahead = { to: last, socket: openIdle(open, last) };
      ahead.push(one);
      setTimeout(() => ahead.includes(one) && drop(one), UNUSED_MS).unref();
    },
    close() {
      for (const one of ahead) drop(one);
    },
  };
}

/** `undefined` when it cannot be opened: the call itself finds out why. */
function openIdle(open: buildConnector.connector, to: buildConnector.Options): Promise<Socket | undefined> {
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
  open(to, (_, socket) => {
    // Nobody listens to it yet, and an error without a listener ends the process.
    socket?.on('error', () => undefined);
    resolve(socket ?? undefined);
  });
  return promise;
}

function isSame(a: buildConnector.Options, b: buildConnector.Options): boolean {
  return a.protocol === b.protocol && a.hostname === b.hostname && a.port === b.port;
}

function isFresh(socket: Socket): boolean {
  return socket.readyState === 'open' && !socket.readableEnded && socket.bytesRead === 0;
}
