import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@darkroom/shared/observability';
import type { ObjectStore, RedisHealth, Workers } from '@darkroom/shared/ports';
import type { Health } from './deps.ts';

const LOOK_MS = 2_000;
/** A store that hangs is away; whoever asks has less patience than its client. */
const PROBE_MS = 2_000;

/**
 * Whether jobs may be accepted, looked at every two seconds, so that no submission waits for the answer.
 *
 * A Redis that is full, hung, read-only, evicting or without AOF makes the API unready. A store that is away does
 * not: jobs are still kept, and their images wait in the spool, until the spool of every worker is full.
 */
export function createHealth(deps: {
  check: () => Promise<RedisHealth>;
  workers: Pick<Workers, 'live'>;
  store: ObjectStore;
  log: Log;
}) {
  let spools: SpoolRoom = 'ok';
  let redis: RedisHealth | undefined;
  let looking: Promise<RedisHealth> | undefined;
  let probing: Promise<boolean> | undefined;
  // Anybody may ask, and asking writes to the store: however many ask at once, one probe answers them all, and one that
  // hangs is joined, not repeated.
  const probe = (): Promise<boolean> => {
    probing ??= deps.store.healthy().finally(() => {
      probing = undefined;
    });
    return Promise.race([probing, sleep(PROBE_MS, false, { ref: false })]);
  };
  const look = (): Promise<RedisHealth> => {
    looking ??= Promise.all([deps.check(), roomOf(deps.workers)]).then(([result, room]) => {
      if (room !== spools) deps.log.info({ spools: room }, 'spools.changed');
      spools = room;
      if (redis?.ok !== result.ok) deps.log.info(result, result.ok ? 'redis.fit' : 'redis.unfit');
      redis = result;
      looking = undefined;
      return result;
    });
    return looking;
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  timer.unref();

  return {
    accepting: () => redis?.ok !== false && spools !== 'full',
    /** The half that decides: known before the first submission comes. */
    lookAtRedis: look,
    look: async (): Promise<Health> => {
      const [result, storage] = await Promise.all([look(), probe()]);
      const checks = {
        redis: result.ok ? 'ok' : result.problems.join('; '),
        storage: storage ? 'ok' : 'away: images wait in the spool',
        workers: SPOOL_WORDS[spools],
      };
      return { ready: result.ok && spools !== 'full', checks };
    },
    [Symbol.asyncDispose]: async () => clearInterval(timer),
  };
}

type SpoolRoom = 'ok' | 'none' | 'full';

const SPOOL_WORDS: Record<SpoolRoom, string> = {
  ok: 'ok',
  none: 'none says that it lives: jobs wait',
  full: 'the spool of each is full: no new calls until storage takes the images',
};

/** A Redis that does not answer is told of by its own check. */
async function roomOf(workers: Pick<Workers, 'live'>): Promise<SpoolRoom> {
  const live = await workers.live().catch(() => []);
  if (!live.length) return 'none';
  return live.every(({ spoolFull }) => spoolFull) ? 'full' : 'ok';
}
