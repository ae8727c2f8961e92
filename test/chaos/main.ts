/**
 * The proofs of survival in full:
 * `npm run chaos [-- --seed N --jobs 300 --rounds 10 --only chaos|crash|channels|batch-chaos|batch-crash|webhooks --points handoff,wake --quick]`.
 *
 * Prints what it did as it does it, and the figures as the tables of `docs/proofs.md`. Ends with 1 when a promise was
 * broken.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../../scripts/lib/files.mjs';
import { bringRedis } from '../../scripts/redis.mjs';
import { BATCH_FULL, BATCH_SHORT, runBatchChaos } from '../support/batch-chaos.ts';
import { BATCH_CRASHES } from '../support/batch-crash.ts';
import { type ChaosFigures, FULL, runChaos, SHORT } from '../support/chaos.ts';
import { CRASH_CASES, type CrashCase, type Survived, startForCrashes, survive } from '../support/crash.ts';
import { OUTAGE_FULL, OUTAGE_SHORT } from '../support/outage.ts';
import { batchChaosTable, batchCrashRounds } from './batch.ts';
import { channelRounds } from './channels.ts';
import { STORM_FULL, STORM_SHORT, webhookRounds } from './webhooks.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    jobs: { type: 'string' },
    rounds: { type: 'string', default: '10' },
    only: { type: 'string' },
    points: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
  },
});

/** The crash points that were asked for, by how their names begin; all without `--points`. */
const isAskedFor = ({ point }: { point: string }) => values.points.split(',').some((start) => point.startsWith(start));
const CASES = CRASH_CASES.filter(isAskedFor);
const BATCH_CASES = BATCH_CRASHES.filter(isAskedFor);
/** Cases that one system carries: the checker looks at all of it each time. */
const CASES_EACH = 12;
const isDue = (name: string) => values.only === undefined || values.only === name;

const say = (line: string) => console.log(line);

async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'darkroom-chaos-'));
  const redis = await bringRedis({ dataDir, cacheDir: await cacheFolder(process.env) });
  const { own } = redis;
  if (!own) throw new Error('chaos needs a Redis of its own to kill');
  try {
    const broken: string[] = [];
    if (isDue('chaos')) {
      const plan = { ...(values.quick ? SHORT : FULL), ...(values.jobs && { jobs: Number(values.jobs) }) };
      say(`chaos, seed ${values.seed}: ${JSON.stringify(plan)}`);
      await runChaos(
        { ...plan, seed: Number(values.seed) },
        { url: redis.url, kill: own.kill, restart: own.restart },
        say,
      ).then(
        (figures) => say(chaosTable(figures)),
        (error: Error) => broken.push(`chaos, seed ${values.seed}: ${error.message}`),
      );
    }
    if (isDue('channels')) {
      const chaos = { ...(values.quick ? SHORT : FULL), seed: Number(values.seed) };
      const killable = { url: redis.url, kill: own.kill, restart: own.restart };
      const outage = values.quick ? OUTAGE_SHORT : OUTAGE_FULL;
      broken.push(...(await channelRounds(killable, { outage, chaos, say })));
    }
    if (isDue('batch-chaos')) {
      const plan = { ...(values.quick ? BATCH_SHORT : BATCH_FULL), seed: Number(values.seed) };
      say(`chaos of the batch path: ${JSON.stringify(plan)}`);
      const killable = { url: redis.url, kill: own.kill, restart: own.restart };
      await runBatchChaos(plan, killable, say).then(
        (figures) => say(batchChaosTable(figures, plan)),
        (error: Error) => broken.push(`chaos of the batch path, seed ${values.seed}: ${error.message}`),
      );
    }
    const rounds = values.quick ? 1 : Number(values.rounds);
    if (isDue('crash')) broken.push(...(await crashRounds(redis.url, rounds)));
    if (isDue('batch-crash')) broken.push(...(await batchCrashRounds(redis.url, { cases: BATCH_CASES, rounds, say })));
    if (isDue('webhooks')) {
      const killable = { url: redis.url, kill: own.kill, restart: own.restart };
      const storm = values.quick ? STORM_SHORT : STORM_FULL;
      broken.push(...(await webhookRounds(killable, { rounds, storm, say })));
    }
    for (const line of broken) console.error(line);
    say(broken.length ? `\n${broken.length} broken` : '\nno promise broken');
    process.exitCode = broken.length ? 1 : 0;
  } finally {
    await redis.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

/** Every crash point, `rounds` times, a lane for each core, three at least: starting programs is most of it. */
async function crashRounds(redisUrl: string, rounds: number): Promise<string[]> {
  const broken: string[] = [];
  const survived = new Map<string, Survived[]>();
  const left = Array.from({ length: rounds }, () => CASES).flat();
  const lane = async () => {
    while (left.length > 0) {
      await using system = await startForCrashes(redisUrl);
      for (const crash of left.splice(0, CASES_EACH)) {
        const outcome = await survive(crash, system).catch((error: Error) => error);
        if (outcome instanceof Error) {
          broken.push(`${crash.point}: ${outcome.message}`);
          break;
        }
        survived.set(crash.point, [...(survived.get(crash.point) ?? []), outcome]);
      }
      say(`crash points: ${[...survived.values()].flat().length} of ${rounds * CASES.length} survived`);
    }
  };
  await Promise.all(Array.from({ length: Math.max(3, availableParallelism()) }, lane));
  say(crashTable(CASES, survived));
  return broken;
}

function chaosTable(figures: ChaosFigures): string {
  const { byStatus, ...rest } = figures;
  const rows: [string, unknown][] = [
    ['seed', rest.seed],
    ['SIGKILLs of workers / Redis / the API', `${rest.workerKills} / ${rest.redisKills} / ${rest.apiKills}`],
    ['times the object store was away', rest.outages],
    ['answers the provider spoiled', rest.faults],
    ['jobs accepted = ended', rest.jobs],
    [
      'by status',
      Object.entries(byStatus)
        .map(([status, n]) => `${n} ${status}`)
        .join(', '),
    ],
    ['of them joined a twin', rest.joined],
    ['images stored, downloaded and compared', rest.images],
    [
      'attempts on record = settled + rejected + in doubt',
      `${rest.calls} = ${rest.settled} + ${rest.rejected} + ${rest.inDoubt}`,
    ],
    ['calls the provider saw, of them charged', `${rest.providerCalls}, ${rest.billed}`],
    ['charges beyond the settled ones (calls paid again)', rest.extra],
    ['calls in flight at the kills + answers the provider lost', `${rest.inFlightAtKills} + ${rest.lostByProvider}`],
    ['seconds', rest.seconds],
  ];
  return ['', '| chaos | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${String(value)} |`), ''].join(
    '\n',
  );
}

function crashTable(cases: CrashCase[], survived: Map<string, Survived[]>): string {
  const rows = cases.map(({ point, price }) => {
    const runs = survived.get(point) ?? [];
    const sum = (name: 'jobs' | 'extra' | 'inDoubt') => runs.reduce((total, run) => total + run[name], 0);
    return `| \`${point}\` | ${runs.length} | ${sum('jobs')} | ${price.extra} | ${sum('extra')} | ${price.inDoubt} | ${sum('inDoubt')} |`;
  });
  const head =
    '| step | survived | jobs, all ended | extra calls due, each | extra calls, all | in doubt due, each | in doubt, all |';
  return ['', head, '|---|---|---|---|---|---|---|', ...rows, ''].join('\n');
}

await main();
