/** How the configured channels stand, over all workers, as the API tells it. */

import {
  bestHealth,
  type ChannelSpec,
  faultsOf,
  formatMicros,
  type Health,
  healthOf,
  imagePriceOn,
  type Lane,
  modelById,
  type Place,
  type ServedModel,
} from '../domain/index.ts';
import type { Breakers, PlaceHealth, PlaceState, Quotas, WindowState } from '../ports/index.ts';
import type { ChannelView, LimitView, PlaceView, Scope, WindowView } from '../schemas/index.ts';

type Deps = { quotas: Pick<Quotas, 'look'>; breakers: Pick<Breakers, 'look'> };
type Looked = { spec: ChannelSpec; served: ServedModel; standing: PlaceHealth; quota: PlaceState };

const SPENT = 'what may be spent in ten minutes is spent';

/** What may be seen of places. `spend`: what all tenants together have spent. */
export type Sight = { spend: boolean };

const USUAL: Sight = { spend: false };

/** What a key with these scopes may see. */
export function sightOf(scopes: readonly Scope[]): Sight {
  return { spend: scopes.includes('admin') };
}

/** In the order of the configuration. */
export async function lookAtChannels(deps: Deps, specs: readonly ChannelSpec[], sight = USUAL): Promise<ChannelView[]> {
  const looked = await lookAtPlaces(deps, specs);
  return specs.map((spec) =>
    presentChannel(
      spec,
      looked.filter((one) => one.spec === spec),
      sight,
    ),
  );
}

/** Every place with its windows, and the pause that it may be in. */
export async function lookAtLimits(
  { quotas }: Pick<Deps, 'quotas'>,
  specs: readonly ChannelSpec[],
  sight = USUAL,
): Promise<LimitView[]> {
  const states = (await quotas.look(placesOf(specs))).map(withSpendPause);
  return states.map(({ place, pause, windows }) => ({
    ...place,
    ...(pause && { reason: pause.reason, until: at(pause.until), why: pause.why }),
    windows: presentWindows(windows, sight),
  }));
}

export function placesOf(specs: readonly ChannelSpec[]): Place[] {
  return specs.flatMap(({ id, models }) => Object.keys(models).map((model) => ({ channel: id, model })));
}

/** A place of which the store said nothing is left out: there is none such. */
async function lookAtPlaces({ quotas, breakers }: Deps, specs: readonly ChannelSpec[]): Promise<Looked[]> {
  const places = placesOf(specs);
  const [states, standings] = await Promise.all([quotas.look(places), breakers.look(places)]);
  return places.flatMap(({ channel, model }, n) => {
    const spec = specs.find(({ id }) => id === channel);
    const [served, quota, standing] = [spec?.models[model], states[n], standings[n]];
    return spec && served && quota && standing ? [{ spec, served, quota: withSpendPause(quota), standing }] : [];
  });
}

/** Not everybody sees that window: that it keeps everybody away, and until when, is told as a pause. */
function withSpendPause(state: PlaceState): PlaceState {
  const spentUntil = state.windows.find(({ window }) => window === 'spend')?.freeAt ?? 0;
  if (spentUntil <= (state.pause?.until ?? 0)) return state;
  return { ...state, pause: { until: spentUntil, reason: 'rate_limited', why: SPENT } };
}

function presentChannel(spec: ChannelSpec, looked: Looked[], sight: Sight): ChannelView {
  const override = looked.find(({ standing }) => standing.override)?.standing.override;
  return {
    id: spec.id,
    kind: spec.kind,
    order: spec.order,
    weight: spec.weight,
    lanes: [...spec.lanes],
    trust: { references: spec.trust.references, cost: spec.trust.cost },
    ...(override && { override }),
    health: bestHealth(looked.map(({ standing, quota }) => healthOf(standing, quota))).health,
    models: looked.map((one) => presentPlace(one, sight)),
  };
}

function presentPlace({ spec, served, standing, quota }: Looked, sight: Sight): PlaceView {
  const { place, calls, ends, p50Ms, p95Ms, breaker, probeAt, out } = standing;
  const { aspectRatios, sizes, mimes, tools, ...capabilities } = served.capabilities;
  return {
    model: place.model,
    provider_model: served.providerModel,
    ...presentHealth(healthOf(standing, quota)),
    breaker: { state: breaker, ...(probeAt !== undefined && { probe_at: at(probeAt) }), ...(out && { out }) },
    windows: presentWindows(quota.windows, sight),
    ...(quota.pause && { parked: { ...quota.pause, until: at(quota.pause.until) } }),
    calls,
    ...(calls > 0 && { error_rate: share(faultsOf(ends), calls) }),
    ends: Object.fromEntries(
      Object.entries(ends).map(([end, count]) => [end, { calls: count, rate: share(count, calls) }]),
    ),
    ...(p50Ms !== undefined && { p50_ms: p50Ms }),
    ...(p95Ms !== undefined && { p95_ms: p95Ms }),
    prices: Object.fromEntries(spec.lanes.map((lane) => [lane, pricesOf(place.model, served, lane)])),
    capabilities: {
      ...capabilities,
      sizes: [...sizes],
      aspect_ratios: [...aspectRatios],
      mimes: [...mimes],
      tools: [...tools],
    },
  };
}

function presentHealth({ health, until }: Health): Pick<PlaceView, 'health' | 'until'> {
  return { health, ...(until !== undefined && { until: at(until) }) };
}

function pricesOf(model: string, served: ServedModel, lane: Lane): Record<string, string> {
  const row = modelById(model);
  // A channel may be said to do more than its model can: it is asked for no more.
  const sizes = served.capabilities.sizes.filter((size) => row.sizes.includes(size));
  return Object.fromEntries(sizes.map((size) => [size, formatMicros(imagePriceOn(served, row, size, lane))]));
}

function presentWindows(windows: readonly WindowState[], { spend }: Sight): WindowView[] {
  return windows.filter(({ window }) => spend || window !== 'spend').flatMap(presentWindow);
}

/** Money is kept in micro-dollars, and told as money is everywhere. */
function presentWindow(state: WindowState): WindowView[] {
  const { window } = state;
  // Is told apart from them.
  if (window === 'pause') return [];
  return [window === 'spend' ? { window, ...amounts(state, formatMicros) } : { window, ...amounts(state, Number) }];
}

function amounts<A>({ used, limit, learnt, freeAt }: WindowState, told: (amount: number) => A) {
  return {
    used: told(used),
    ...(limit !== undefined && { limit: told(limit) }),
    ...(learnt && { learnt: { limit: told(learnt.limit), until: at(learnt.until) } }),
    ...(freeAt !== undefined && { free_at: at(freeAt) }),
  };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((1_000 * part) / whole) / 1_000;
}

function at(ms: number): string {
  return new Date(ms).toISOString();
}
