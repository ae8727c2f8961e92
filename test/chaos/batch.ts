/** The proofs of the batch path in full, and their tables. */

import type { BATCH_FULL, BatchChaosFigures } from '../support/batch-chaos.ts';
import { type BatchCrash, type BatchSurvived, startForBatchCrashes, surviveBatch } from '../support/batch-crash.ts';

/** Crashes that one system carries: the checker looks at all of it each time. */
const CASES_EACH = 12;
/** Side by side: most of a crash of the batch path is waiting until what the dead one held runs out. */
const LANES = 6;

/** Every crash point of the batch path, `rounds` times, at its passings in turn. */
export async function batchCrashRounds(
  redisUrl: string,
  { cases, rounds, say }: { cases: BatchCrash[]; rounds: number; say: (line: string) => void },
): Promise<string[]> {
  const broken: string[] = [];
  const survived: BatchSurvived[] = [];
  const left = Array.from({ length: rounds }, (_, round) => cases.map((crash) => ({ crash, round }))).flat();
  const lane = async () => {
    while (left.length > 0) {
      await using night = await startForBatchCrashes(redisUrl);
      for (const { crash, round } of left.splice(0, CASES_EACH)) {
        const outcome = await surviveBatch([crash], night, round).catch((error: Error) => error);
        if (outcome instanceof Error) {
          broken.push(`${crash.point}, round ${round}: ${outcome.message}`);
          break;
        }
        survived.push(outcome);
      }
      say(`crash points of the batch path: ${survived.length} of ${rounds * cases.length} survived`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  say(batchCrashTable(cases, survived));
  return broken;
}

/** What one run of chaos came to. */
export function batchChaosTable(figures: BatchChaosFigures, plan: typeof BATCH_FULL & { seed: number }): string {
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .map(([name, n]) => `${n} ${name}`)
      .join(', ');
  const { laneSettled, laneInDoubt, waste, laneBilled } = figures;
  const rows: [string, unknown][] = [
    ['seed', plan.seed],
    ['SIGKILLs of workers / Redis / the API', `${plan.workerKills} / ${plan.redisKills} / ${plan.apiKills}`],
    ['rows of batches + single jobs = jobs, all ended', `${figures.rows} + ${plan.singles} = ${figures.jobs}`],
    ['by status', list(figures.byStatus)],
    ['images stored, downloaded and held against their prompts', figures.images],
    ['misfortunes of the provider', list(figures.misfortunes)],
    ['chunks; provider batches by their end', `${figures.chunks}; ${list(figures.providerStates)}`],
    ['chunks with a second provider batch that made images', figures.second],
    ['create calls repeated after lists that showed nothing', figures.createdAgain],
    [
      'attempts on record = settled + rejected + in doubt',
      `${figures.calls} = ${figures.settled} + ${figures.rejected} + ${figures.inDoubt}`,
    ],
    ['bill of the batch lane (µ$)', laneBilled],
    [
      'ledger: settled + in doubt + waste (µ$)',
      `${laneSettled} + ${laneInDoubt} + ${waste} = ${laneSettled + laneInDoubt + waste}`,
    ],
    ['seconds', figures.seconds],
  ];
  return [
    '',
    '| chaos of the batch path | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${String(value)} |`),
    '',
  ].join('\n');
}

function batchCrashTable(cases: BatchCrash[], survived: BatchSurvived[]): string {
  const rows = cases.map(({ point }) => {
    const runs = survived.filter((run) => run.points.includes(point));
    const sum = (name: Exclude<keyof BatchSurvived, 'byStatus' | 'points'>) =>
      runs.reduce((total, run) => total + run[name], 0);
    const cells = [runs.length, sum('rows'), sum('images'), sum('chunks'), sum('providerBatches'), sum('createdAgain')];
    return `| \`${point}\` | ${cells.join(' | ')} | ${sum('inDoubt')} | ${sum('laneBilled')} = ${sum('laneSettled')} |`;
  });
  const head =
    '| step | survived | rows | images | chunks | provider batches | creates repeated | in doubt | bill = ledger (µ$) |';
  return ['', head, '|---|---|---|---|---|---|---|---|---|', ...rows, ''].join('\n');
}
