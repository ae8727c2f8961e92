import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ConfiguredChannel } from '@darkroom/shared/config';
import type { Clock } from '@darkroom/shared/ports';

const HEADERS = 'undici:request:headers';
const HOSTS: Record<ConfiguredChannel['kind'], RegExp> = {
  gemini: /^generativelanguage\.googleapis\.com$/,
  vertex: /^([a-z0-9-]+-)?aiplatform\.googleapis\.com$/,
  openrouter: /^openrouter\.ai$/,
  openai: /^api\.openai\.com$/,
};

/** Reads the `date` of what the providers of these channels answer, by host, until it is disposed of. */
export function watchProviderDates(
  channels: readonly ConfiguredChannel[],
  clock: Clock,
): Disposable & { skews: ReadonlyMap<string, number> } {
  const skews = new Map<string, number>();
  const isOurs = (host: string) =>
    channels.some(({ kind, connection: { baseUrl } }) =>
      baseUrl ? URL.parse(baseUrl)?.host === host : HOSTS[kind].test(host),
    );
  const onHeaders = (message: unknown) => {
    const { request, response } = message as { request: { origin?: unknown }; response: { headers: Buffer[] } };
    const url = URL.parse(String(request.origin));
    const date = dateIn(response.headers);
    if (url && date !== undefined && isOurs(url.host)) skews.set(url.host, clock.now() - date);
  };
  subscribe(HEADERS, onHeaders);
  return { skews, [Symbol.dispose]: () => void unsubscribe(HEADERS, onHeaders) };
}

/** @param headers names and values in turn */
function dateIn(headers: readonly Buffer[]): number | undefined {
  const at = headers.findIndex((name, n) => n % 2 === 0 && name.toString('latin1').toLowerCase() === 'date');
  const date = at < 0 ? Number.NaN : Date.parse(String(headers[at + 1]));
  // It has whole seconds, cut off: half a second is the mean of what is missing.
  return Number.isNaN(date) ? undefined : date + 500;
}
