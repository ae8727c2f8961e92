import { buffer } from 'node:stream/consumers';
import type { Clock } from '../../ports/clock.ts';
import type { ObjectStore } from '../../ports/object-store.ts';
import { type Check, type Found, ok, problem, warning } from './finding.ts';

const LINK_MS = 60_000;

type Step = { name: string; run: () => Promise<unknown>; fix: string; level?: 'warning' };

/**
 * Writes a small object, describes it, reads it back, signs a link to it and deletes it, by a name that nothing else has.
 *
 * @param id makes that name; letters, digits and `-`
 */
export function storageCheck({ store, clock, id }: { store: ObjectStore; clock: Clock; id: () => string }): Check {
  return {
    group: 'Storage',
    name: 'store',
    run: async () => {
      const key = `doctor/probe-${id()}`;
      const [write, ...others] = stepsOf(store, key, clock);
      const found = write ? await walk(write) : [];
      if (found.some(({ level }) => level === 'problem')) return found;
      for (const step of others) found.push(...(await walk(step)));
      return found;
    },
  };
}

function stepsOf(store: ObjectStore, key: string, clock: Clock): Step[] {
  const bytes = Buffer.from(`${key}\n`);
  const read = async () => {
    const body = await store.get(key);
    if (!body || !(await buffer(body)).equals(bytes)) throw new Error('other bytes came back than were written');
  };
  const describe = async () => {
    if (!(await store.head(key))) throw new Error('what was written is not to be seen');
  };
  return [
    {
      name: 'write',
      run: () => store.put(key, bytes, { contentType: 'text/plain' }),
      fix: 'see that STORAGE_URL is right, and that this program may write there',
    },
    { name: 'describe', run: describe, fix: 'allow storage.objects.get and storage.objects.list' },
    { name: 'read back', run: read, fix: 'allow storage.objects.get' },
    {
      name: 'sign a link',
      run: () => store.signedUrl(key, { expiresAt: clock.now() + LINK_MS }),
      fix: 'use credentials with a key, or allow iam.serviceAccounts.signBlob',
    },
    {
      name: 'delete',
      run: () => store.delete(key),
      // Only rare repairs delete: all else works without.
      level: 'warning',
      fix: `allow storage.objects.delete, and delete ${store.uri(key)}`,
    },
  ];
}

async function walk({ name, run, fix, level }: Step): Promise<Found[]> {
  try {
    await run();
    return [ok('works', name)];
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return [(level === 'warning' ? warning : problem)(what, fix, name)];
  }
}
