/** How often one address may fail. In this process only, and bounded: it keeps the careless off Redis, not armies. */

/** More addresses than this, and the one whose minute is nearest its end is forgotten. */
const ADDRESSES_MAX = 10_000;
const WINDOW_MS = 60_000;

/** What an address has left, and when it starts anew. */
type Standing = { remaining: number; resetMs: number };

/** As Node's sockets have it; none once the other side is gone. */
type Peer = { remoteAddress?: string | undefined };

export type FailureLimit = {
  /** Whether it has failed too often. Costs nothing while nobody fails. */
  isSpent(peer: Peer): boolean;
  standing(peer: Peer): Standing;
  /** Counts one more. */
  fail(peer: Peer): Standing;
  /** `RateLimit-Policy` and `RateLimit`, for an answer to somebody who stands like this. */
  headers(standing: Standing): Record<string, string>;
};

/** @param max failures in a minute, which begins with the first of them */
export function createFailureLimit({ max, now }: { max: number; now: () => number }): FailureLimit {
  /** Oldest first: all minutes are equally long, and one that begins anew goes to the end. */
  const windows = new Map<string, { count: number; until: number }>();
  const addressOf = ({ remoteAddress = '' }: Peer) => remoteAddress;
  const current = (address: string) => {
    const window = windows.get(address);
    return window && window.until > now() ? window : undefined;
  };
  const standing = (peer: Peer): Standing => {
    const window = current(addressOf(peer));
    if (!window) return { remaining: max, resetMs: WINDOW_MS };
    return { remaining: Math.max(0, max - window.count), resetMs: window.until - now() };
  };
  return {
    isSpent: (peer) => windows.size > 0 && standing(peer).remaining === 0,
    standing,
    fail: (peer) => {
      const address = addressOf(peer);
      const window = current(address) ?? { count: 0, until: now() + WINDOW_MS };
      window.count += 1;
      if (window.count > 1) return standing(peer);
      windows.delete(address);
      const [oldest] = windows.keys();
      if (oldest !== undefined && windows.size >= ADDRESSES_MAX) windows.delete(oldest);
      windows.set(address, window);
      return standing(peer);
    },
    headers: ({ remaining, resetMs }) => ({
      'ratelimit-policy': `"failed-auth";q=${max};w=${WINDOW_MS / 1_000}`,
      ratelimit: `"failed-auth";r=${remaining};t=${Math.ceil(resetMs / 1_000)}`,
    }),
  };
}
