import { Resolver } from 'node:dns/promises';

/** Every address of a host name, of both families. Rejects, or answers none, when there is no such name. */
export type Lookup = (hostname: string) => Promise<string[]>;

export type LookupOptions = {
  /** Name servers as `ip` or `ip:port`; those of the machine by default. */
  servers?: string[];
  /** For each of two tries. Default 1,500. */
  timeoutMs?: number;
};

/**
 * Resolves over the network, never through `getaddrinfo`: that one occupies a thread of the pool that also
 * serves the disk, so a few names with slow servers would hold up every file operation of the process.
 */
export function createLookup({ servers, timeoutMs = 1_500 }: LookupOptions = {}): Lookup {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  if (servers) resolver.setServers(servers);
  return async (hostname) => {
    const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  };
}
