/** The proofs of several channels in full, and their tables. */

import { type ChaosFigures, type ChaosPlan, type KillableRedis, runChaos } from '../support/chaos.ts';
import { addedLatency, type OutageFigures, type OutagePlan, runOutage } from '../support/outage.ts';

/** An outage of the first of two channels, then chaos over three. @returns what was broken */
export async function channelRounds(
  redis: KillableRedis,
  { outage, chaos, say }: { outage: OutagePlan; chaos: ChaosPlan; say: (line: string) => void },
): Promise<string[]> {
  const broken: string[] = [];
  say(`outage of the first channel: ${JSON.stringify(outage)}`);
  try {
    const figures = await runOutage(outage, redis.url);
    say(outageTable(figures, outage));
    if (figures.probesAtOnce > 1) broken.push(`${figures.probesAtOnce} probes were out at once`);
    if (figures.opened === 0 || figures.recovered === 0) broken.push('the breaker never opened, or never closed');
  } catch (error) {
    broken.push(`outage: ${String(error)}`);
  }
  say(`chaos over three channels, seed ${chaos.seed}`);
  try {
    say(chaosTable(await runChaos({ ...chaos, channels: true }, redis, say)));
  } catch (error) {
    broken.push(`chaos over three channels, seed ${chaos.seed}: ${String(error)}`);
  }
  return broken;
}

function outageTable(figures: OutageFigures, plan: OutagePlan): string {
  const { jobs, byStatus, refused, opened, recovered, probes, probesAtOnce } = figures;
  const { share, someMs, allMs, workers, warmUp } = plan;
  return table(`outage of the first channel, ${workers} workers`, [
    ['jobs, of them succeeded, of them to warm up', `${jobs}, ${byStatus['succeeded']}, ${warmUp}`],
    [`seconds in which it refused ${100 * share} % of calls / all of them`, `${someMs / 1_000} / ${allMs / 1_000}`],
    ['calls it refused', refused],
    ['times the breaker opened / closed', `${opened} / ${recovered}`],
    ['probes, most of them at once', `${probes}, ${probesAtOnce}`],
    ...addedLatency(figures, plan),
    ['images it made afterwards', figures.madeAfter],
  ]);
}

function chaosTable(figures: ChaosFigures): string {
  const statuses = Object.entries(figures.byStatus).map(([status, n]) => `${n} ${status}`);
  return table('chaos over three channels', [
    ['seed', figures.seed],
    ['SIGKILLs of workers / Redis / the API', `${figures.workerKills} / ${figures.redisKills} / ${figures.apiKills}`],
    ['jobs accepted = ended', `${figures.jobs}: ${statuses.join(', ')}`],
    ['calls beside slow ones', figures.hedges],
    [
      'attempts on record = settled + rejected + in doubt',
      `${figures.calls} = ${figures.settled} + ${figures.rejected} + ${figures.inDoubt}`,
    ],
    ['charges beyond the settled ones (calls paid again)', figures.extra],
    [
      'calls in flight at the kills + answers the provider lost',
      `${figures.inFlightAtKills} + ${figures.lostByProvider}`,
    ],
    ...figures.bills.map(({ account, calls, billed, settled, unsettled }): [string, unknown] => [
      `bill of \`${account}\` = settled + in doubt (µ$), calls`,
      `${billed} = ${settled} + ${unsettled}, ${calls}`,
    ]),
    ['seconds', figures.seconds],
  ]);
}

function table(name: string, rows: [string, unknown][]): string {
  return ['', `| ${name} | |`, '|---|---|', ...rows.map(([row, value]) => `| ${row} | ${String(value)} |`), ''].join(
    '\n',
  );
}
