/** The proofs of deliveries in full, and their tables. */

import {
  type Killable,
  startForWebhookCrashes,
  surviveWebhook,
  WEBHOOK_POINTS,
  type WebhookSurvived,
} from '../support/webhook-crash.ts';
import { runStorm, type StormFigures, type StormPlan } from '../support/webhook-storm.ts';

/** At which of its passings the deliverer dies, in turns. */
const PASSINGS = [1, 2, 3];

export const STORM_FULL: StormPlan = { events: 5_000, perSecond: 50, timeoutMs: 15_000 };
export const STORM_SHORT: StormPlan = { events: 200, perSecond: 50, timeoutMs: 2_000 };

/** The deliverer and Redis die at each step, `rounds` times; then receivers misbehave. @returns what was broken */
export async function webhookRounds(
  redis: Killable,
  { rounds, storm, say }: { rounds: number; storm: StormPlan; say: (line: string) => void },
): Promise<string[]> {
  const broken: string[] = [];
  const survived: WebhookSurvived[] = [];
  await using test = await startForWebhookCrashes(redis);
  for (let round = 0; round < rounds && !broken.length; round++) {
    for (const point of WEBHOOK_POINTS) {
      const outcome = await surviveWebhook(point, test, PASSINGS[round % PASSINGS.length]).catch(
        (error: Error) => error,
      );
      if (outcome instanceof Error) broken.push(`${point}, round ${round}: ${outcome.message}`);
      else survived.push(outcome);
    }
    say(`crash points of deliveries: ${survived.length} of ${rounds * WEBHOOK_POINTS.length} survived`);
  }
  say(crashTable(survived));
  say(`receivers that misbehave: ${JSON.stringify(storm)}`);
  const figures = await runStorm(storm, redis.url);
  broken.push(...figures.faults.slice(0, 20), ...figures.forbidden);
  say(stormTable(figures, storm));
  return broken;
}

function crashTable(survived: WebhookSurvived[]): string {
  const rows = WEBHOOK_POINTS.map((point) => {
    const runs = survived.filter((one) => one.point === point);
    const sum = (name: 'events' | 'requests' | 'again') => runs.reduce((total, run) => total + run[name], 0);
    return `| \`${point}\` | ${runs.length} | ${sum('events')} | ${sum('requests')} | ${sum('again')} |`;
  });
  const head =
    '| step | survived | events, all arrived | requests, all signed | of them sent again, under the same id |';
  return ['', head, '|---|---|---|---|---|', ...rows, ''].join('\n');
}

function stormTable({ requests, ...figures }: StormFigures, { events, timeoutMs }: StormPlan): string {
  const rows: [string, unknown][] = [
    ['events beside receivers that misbehave', events],
    ['deliveries to those that behave, each once and signed', figures.delivered],
    ['their 95th percentile from event to arrival, alone', `${figures.calmP95Ms} ms`],
    ['and beside the others', `${figures.stormP95Ms} ms`],
    ...Object.entries(requests).map(([name, n]): [string, unknown] => [`requests to the one that ${name}`, n]),
    ['seconds a post may take', timeoutMs / 1_000],
    ['connections to where none may go', figures.forbidden.length],
    ['deliveries that are not where they should be', figures.faults.length],
  ];
  return [
    '',
    '| receivers | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${String(value)} |`),
    '',
  ].join('\n');
}
