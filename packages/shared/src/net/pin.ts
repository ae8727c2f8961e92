import type { buildConnector } from 'undici';

/** Opens a connection to `hostname`, which is always an address that passed the guard. */
export type Connect = buildConnector.connector;

/**
 * A connector that goes to the given addresses and nowhere else, one after the other until one accepts.
 *
 * Whatever host the HTTP client names, no name is resolved a second time, so a name server that changes its
 * mind after the check changes nothing. TLS still asks for, and checks, the name in the URL.
 */
export function pinTo(addresses: string[], servername: string, connect: Connect, signal: AbortSignal): Connect {
  return (options, callback) => {
    const dial = ([address, ...others]: string[]): void => {
      if (address === undefined || signal.aborted) return callback(new Error('no address left to try'), null);
      connect({ ...options, hostname: address, ...(servername === '' ? {} : { servername }) }, (...outcome) => {
        if (outcome[0] && others.length > 0) dial(others);
        else callback(...outcome);
      });
    };
    dial(addresses);
  };
}
