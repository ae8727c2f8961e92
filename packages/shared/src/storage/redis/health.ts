import type { Redis } from 'ioredis';
import type { Clock, RedisFacts, RedisHealth } from '../../ports/index.ts';

/** Above this share of `maxmemory` no new job is accepted: work in flight still needs room to end. */
const FULL = 0.75;
const VERSION_MIN = [6, 2] as const;

/**
 * Whether Redis can be trusted with accepted jobs at this moment: alive, writable, not full, never evicting, with AOF.
 *
 * @param redis a connection that fails fast; a hung server is reported after its command timeout
 */
export async function checkRedis(redis: Redis, key = 'darkroom:probe'): Promise<RedisHealth> {
  try {
    const info = parseInfo(await redis.info());
    const problems = problemsOf(info);
    await redis.set(key, '1', 'PX', 60_000);
    return problems.length ? { ok: false, problems } : { ok: true, warnings: await warningsOf(redis, info) };
  } catch (error) {
    return {
      ok: false,
      problems: [`Redis does not answer or refuses writes: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}

const PINGS = 5;

/** The same with how far away it is, and whether its clock agrees. Never throws. */
export async function lookAtRedis(redis: Redis, { key, clock }: { key: string; clock: Clock }): Promise<RedisFacts> {
  const health = await checkRedis(redis, key);
  try {
    const info = parseInfo(await redis.info());
    const times: number[] = [];
    for (let n = 0; n < PINGS; n++) {
      const startedAt = performance.now();
      await redis.ping();
      times.push(performance.now() - startedAt);
    }
    const [seconds, micros] = await redis.time();
    const server = {
      version: info.get('redis_version') ?? 'unknown version',
      persistence: info.get('aof_enabled') === '1' ? 'appendonly' : 'no appendonly',
      policy: info.get('maxmemory_policy') ?? 'unknown maxmemory-policy',
      latencyMs: Math.min(...times),
      skewMs: clock.now() - (Number(seconds) * 1_000 + Number(micros) / 1_000),
    };
    return { health, server };
  } catch {
    return { health };
  }
}

function problemsOf(info: Map<string, string>): string[] {
  const problems: string[] = [];
  const [major = 0, minor = 0] = (info.get('redis_version') ?? '0').split('.').map(Number);
  if (major < VERSION_MIN[0] || (major === VERSION_MIN[0] && minor < VERSION_MIN[1])) {
    problems.push(`Redis ${major}.${minor} is too old: 6.2 or newer is needed`);
  }
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    problems.push(`maxmemory-policy is ${policy}: accepted jobs could be evicted; set it to noeviction`);
  }
  if (info.get('aof_enabled') === '0')
    problems.push('appendonly is off: a restart would lose accepted jobs; turn it on');
  if (info.get('role') === 'slave') problems.push('this server is a replica: point REDIS_URL at the primary');
  const used = Number(info.get('used_memory') ?? 0);
  const max = Number(info.get('maxmemory') ?? 0);
  if (max > 0 && used > max * FULL) problems.push(`Redis holds ${Math.round((100 * used) / max)} % of maxmemory`);
  return problems;
}

async function warningsOf(redis: Redis, info: Map<string, string>): Promise<string[]> {
  const warnings: string[] = [];
  if (Number(info.get('maxmemory') ?? 0) === 0)
    warnings.push('maxmemory is not set: Redis may take all of the machine');
  const fsync = await redis.config('GET', 'appendfsync').catch(() => undefined);
  const value = Array.isArray(fsync) ? fsync[1] : undefined;
  if (value !== undefined && value !== 'always') {
    warnings.push(`appendfsync is ${value}: about a second of accepted jobs is lost when the machine loses power`);
  }
  return warnings;
}

function parseInfo(text: string): Map<string, string> {
  return new Map(
    text.split('\r\n').flatMap((line) => {
      const at = line.indexOf(':');
      return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
    }),
  );
}
