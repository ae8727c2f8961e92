/** Connections to the provider, of which nobody sends anything twice. */

import { Agent, type buildConnector } from 'undici';

export type Connect = buildConnector.BuildOptions | buildConnector.connector;

/** Opens nothing before the first call; `destroy` ends its connections. @param connect how sockets are opened */
export function createDispatcher(connect?: Connect): Agent {
  return new Agent({
    pipelining: 0, // a fresh connection per call: a stale one could swallow a paid request
    allowH2: false, // a stream refused by HTTP/2 would be sent again behind our back
    headersTimeout: 0, // our own deadline rules, since it knows about stalls
    bodyTimeout: 0,
    ...(connect && { connect }),
  });
}
