/**
 * A limit on silence for the requests of the GCS client.
 *
 * The client has none of its own: its transport ignores the `timeout` it is given, so a server that takes a connection and
 * says nothing would hold an upload for ever. Node announces each outgoing request on a diagnostics channel, inside the
 * asynchronous context that made it: there the socket gets the limit. Silence counts, not duration, so a slow line may
 * take its time.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import { ClientRequest } from 'node:http';

const limits = new AsyncLocalStorage<number>();
let listening = false;

/** Runs `work`; each request it makes is broken off after `ms` without a byte in either direction. */
export function withSilenceLimit<T>(ms: number, work: () => T): T {
  if (!listening) subscribe('http.client.request.start', limitRequest);
  listening = true;
  return limits.run(ms, work);
}

function limitRequest(message: unknown): void {
  const ms = limits.getStore();
  if (ms === undefined || typeof message !== 'object' || message === null || !('request' in message)) return;
  const { request } = message;
  if (!(request instanceof ClientRequest)) return;
  request.setTimeout(ms, () => request.destroy(Object.assign(new Error(`silent for ${ms} ms`), { code: 'ETIMEDOUT' })));
}
