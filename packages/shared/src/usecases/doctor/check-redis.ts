import type { RedisFacts } from '../../ports/health.ts';
import { clockFinding } from './check-clock.ts';
import { type Check, type Found, ok, problem, warning } from './finding.ts';

/** A worker makes some ten calls to Redis a job, one after the other. */
const SLOW_MS = 20;

/** How each thing that is said of Redis is mended. */
const FIXES: readonly (readonly [RegExp, string])[] = [
  [/too old/, 'install Redis or Valkey 6.2 or newer'],
  [/maxmemory-policy/, 'CONFIG SET maxmemory-policy noeviction, and the same in its configuration file'],
  [/appendonly/, 'CONFIG SET appendonly yes, and the same in its configuration file'],
  [/replica/, 'set REDIS_URL to the address of the primary'],
  [/% of maxmemory/, 'raise maxmemory, or lower JOB_TAIL'],
  [/maxmemory is not set/, 'set maxmemory to what Redis may have of the machine'],
  [/appendfsync/, 'CONFIG SET appendfsync always, if that second matters'],
  [/./, 'see that Redis runs where REDIS_URL says, and takes writes'],
];

/** Whether Redis can be trusted with jobs, how far away it is, and whether its clock agrees. */
export function redisCheck(look: (signal: AbortSignal) => Promise<RedisFacts>): Check {
  return {
    group: 'Redis',
    name: 'server',
    run: async (signal) => {
      const facts = await look(signal);
      return [...fitness(facts), ...(facts.server ? distance(facts.server) : [])];
    },
  };
}

function fitness({ health, server }: RedisFacts): Found[] {
  const fixOf = (text: string) => FIXES.find(([pattern]) => pattern.test(text))?.[1];
  if (!health.ok) return health.problems.map((text) => problem(text, fixOf(text)));
  const settings = `${server?.version ?? ''}, ${server?.persistence ?? ''}, ${server?.policy ?? ''}`;
  return [ok(settings), ...health.warnings.map((text) => warning(text, fixOf(text), 'settings'))];
}

function distance({ latencyMs, skewMs }: NonNullable<RedisFacts['server']>): Found[] {
  const far = `${latencyMs.toFixed(1)} ms a call`;
  const latency =
    latencyMs > SLOW_MS
      ? warning(far, 'run the programs and Redis close together: each job makes several calls', 'latency')
      : ok(far, 'latency');
  return [latency, { ...clockFinding(skewMs), name: 'clock' }];
}
