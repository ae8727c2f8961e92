import type { Tenant } from '../domain/index.ts';
import type { Changes } from '../ports/index.ts';

/** News may be lost, so whoever waits looks at the record this often all the same. */
const LOOK_MS = 2_000;

/**
 * Reads a job, or a batch, until `done` says so or the time is up, whichever is first; answers with what was read last.
 *
 * @param read the freshest record; called after each piece of news, and every two seconds
 */
export async function waitForJob<T>(options: {
  changes: Changes;
  tenant: Tenant;
  id: string;
  read: () => Promise<T>;
  done: (record: T) => boolean;
  timeoutMs: number;
  signal: AbortSignal;
}): Promise<T> {
  const { changes, tenant, id, read, done, timeoutMs, signal } = options;
  const until = performance.now() + timeoutMs;
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  // Watch before reading: a change between the two is news, not a gap.
  const stop = changes.watch(tenant, id, wake);
  signal.addEventListener('abort', wake, { once: true });
  try {
    for (;;) {
      const record = await read();
      const left = until - performance.now();
      if (done(record) || left <= 0 || signal.aborted) return record;
      const timer = setTimeout(wake, Math.min(left, LOOK_MS));
      await news.promise;
      clearTimeout(timer);
      news = Promise.withResolvers<void>();
    }
  } finally {
    stop();
    signal.removeEventListener('abort', wake);
  }
}
