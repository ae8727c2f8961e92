/** What a worker tells of channels, limits and lines: how they stand over all workers, and what became of its own jobs. */

import type { BreakerState, ChannelSpec, Micros, Out, Place } from '@darkroom/shared/domain';
import { Counter, Gauge, onceAScrape, type Registry } from '@darkroom/shared/observability';
import type { Breakers, Lines, PlaceHealth, PlaceState, Quotas } from '@darkroom/shared/ports';
import { placesOf } from '@darkroom/shared/usecases';

export type ChannelCounters = {
  /** A call came to nothing at this place, and its job goes to another channel at once. */
  leftFor(place: Place, why: 'failed' | 'limited'): void;
  /** A job goes on from this model to the next of its chain. */
  movedOn(model: string): void;
  /** One step of a call beside another: made, and in the end won or lost. */
  hedged(place: Place, step: HedgeStep): void;
  /** Of two calls side by side, this one was not the result. */
  hedgePaid(place: Place, cost: Micros): void;
  placeholderMade(model: string): void;
};

const HEDGE_STEPS = ['made', 'won', 'lost'] as const;
type HedgeStep = (typeof HEDGE_STEPS)[number];

type Shared = { quotas: Pick<Quotas, 'look'>; breakers: Pick<Breakers, 'look'>; lines: Pick<Lines, 'sizes'> };

/** What every worker says of what all of them share must not be added up. */
const SAME = '. The same from every worker: take the max, not the sum';
const BREAKER_VALUES: Record<BreakerState, number> = { closed: 0, half_open: 1, open: 2 };
const WHYS: readonly (Out | 'operator')[] = ['auth', 'retired', 'operator'];
const MICROS = 1_000_000;

/** Money is kept in micro-dollars, and told in dollars. */
function amount(window: string, value: number): number {
  return window === 'spend' ? value / MICROS : value;
}

/** Of this process alone: they are added up. */
export function createChannelCounters(registry: Registry, specs: readonly ChannelSpec[]): ChannelCounters {
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name, help, labelNames, registers: [registry] });
  const failovers = counter(
    'darkroom_channel_failovers_total',
    'Jobs that went to another channel at once, by the one they left: a call had failed there, or met a limit',
    ['channel', 'model', 'why'],
  );
  const moves = counter(
    'darkroom_channel_model_moves_total',
    'Jobs that went on to the next model of their chain, by the model they left',
    ['model'],
  );
  const hedges = counter(
    'darkroom_channel_hedges_total',
    'Second calls beside slow ones, by where they went: made, won (its image is the result) and lost',
    ['channel', 'model', 'step'],
  );
  const hedgeUsd = counter(
    'darkroom_channel_hedge_usd_total',
    'Dollars for those of two calls side by side that are not the result, in doubt counted as spent',
    ['channel', 'model'],
  );
  const placeholders = counter(
    'darkroom_channel_placeholders_total',
    'Labelled images made in the place of one that no channel made, by the model of the job',
    ['model'],
  );
  // Prometheus sees no increase in a counter that begins at 1.
  for (const place of placesOf(specs)) {
    for (const why of ['failed', 'limited']) failovers.inc({ ...place, why }, 0);
    for (const step of HEDGE_STEPS) hedges.inc({ ...place, step }, 0);
    hedgeUsd.inc(place, 0);
    moves.inc({ model: place.model }, 0);
    placeholders.inc({ model: place.model }, 0);
  }
  return {
    leftFor: (place, why) => failovers.inc({ ...place, why }),
    movedOn: (model) => moves.inc({ model }),
    hedged: (place, step) => hedges.inc({ ...place, step }),
    hedgePaid: (place, cost) => hedgeUsd.inc(place, cost / MICROS),
    placeholderMade: (model) => placeholders.inc({ model }),
  };
}

type Row = { labels: Record<string, string>; value: number };
type Look = { standings: PlaceHealth[]; states: PlaceState[] };

/** Of what all workers share; each store is asked once a scrape. */
export function registerChannelGauges(registry: Registry, specs: readonly ChannelSpec[], shared: Shared): void {
  const { quotas, breakers, lines } = shared;
  const places = placesOf(specs);
  const models = [...new Set(places.map(({ model }) => model))];
  const look = onceAScrape(async (): Promise<Look> => {
    const [standings, states] = await Promise.all([breakers.look(places), quotas.look(places)]);
    return { standings, states };
  });
  const sizes = onceAScrape(() => Promise.all(models.map(async (model) => ({ model, all: await lines.sizes(model) }))));
  const gauge = (name: string, help: string, labelNames: string[], rows: () => Promise<Row[]>) =>
    new Gauge({
      name,
      help: `${help}${SAME}`,
      labelNames,
      registers: [registry],
      async collect() {
        const found = await rows();
        // A window without a limit any more has none.
        this.reset();
        for (const { labels, value } of found) this.set(labels, value);
      },
    });
  const ofPlaces = (name: string, help: string, label: string | undefined, rows: (from: Look) => Row[]) =>
    gauge(name, help, ['channel', 'model', ...(label ? [label] : [])], async () => rows(await look()));

  ofPlaces(
    'darkroom_channel_breaker',
    'Whether calls may be made: 0 closed (they may), 1 half open (one at a time, to see), 2 open (none)',
    undefined,
    ({ standings }) => standings.map(({ place, breaker }) => ({ labels: place, value: BREAKER_VALUES[breaker] })),
  );
  ofPlaces(
    'darkroom_channel_out',
    '1 = no call is made until somebody does something: auth = its key is refused, retired = its model is gone, operator = held back or drained',
    'why',
    ({ standings }) => standings.flatMap(outRows),
  );
  ofPlaces('darkroom_channel_calls', 'Calls of the last ten minutes by how they ended', 'end', ({ standings }) =>
    standings.flatMap(({ place, ends }) =>
      Object.entries(ends).map(([end, value]) => ({ labels: { ...place, end }, value })),
    ),
  );
  ofPlaces('darkroom_quota_used', 'What is used of each limit: calls, images, tokens or dollars', 'window', (from) =>
    windowRows(from, ({ used }) => used),
  );
  ofPlaces(
    'darkroom_quota_limit',
    'The limit of each window that has one; a learnt one while it holds',
    'window',
    (from) => windowRows(from, ({ limit }) => limit),
  );
  ofPlaces('darkroom_quota_learnt', 'Limits that the provider has taught, while they hold', 'window', (from) =>
    windowRows(from, ({ learnt }) => learnt?.limit),
  );
  ofPlaces(
    'darkroom_quota_parked_seconds',
    'For how long from now no call is made because the provider said so, or because the day is used up; 0 = not parked',
    undefined,
    ({ states }) => states.map((state) => ({ labels: state.place, value: isParked(state) ? state.waitMs / 1_000 : 0 })),
  );
  const ofLines = (name: string, help: string, which: 'waiting' | 'running') =>
    gauge(name, help, ['model'], async () =>
      (await sizes()).map(({ model, all }) => ({
        labels: { model },
        value: all.reduce((sum, one) => sum + one[which], 0),
      })),
    );
  ofLines('darkroom_lines_waiting', 'Jobs that stand in line for a call of their own', 'waiting');
  ofLines('darkroom_lines_running', 'Jobs out of the lines whose call is being made', 'running');
}

function outRows({ place, out, override }: PlaceHealth): Row[] {
  const why = override === 'open' || override === 'drain' ? 'operator' : override === 'close' ? undefined : out;
  return WHYS.map((one) => ({ labels: { ...place, why: one }, value: one === why ? 1 : 0 }));
}

/** Of windows with a limit. */
function windowRows({ states }: Look, pick: (window: PlaceState['windows'][number]) => number | undefined): Row[] {
  return states.flatMap(({ place, windows }) =>
    windows.flatMap((one) => {
      const value = one.limit === undefined ? undefined : pick(one);
      return value === undefined
        ? []
        : [{ labels: { ...place, window: one.window }, value: amount(one.window, value) }];
    }),
  );
}

function isParked({ pause, windows }: PlaceState): boolean {
  return pause !== undefined || windows.some(({ window, freeAt }) => window === 'day' && freeAt !== undefined);
}
