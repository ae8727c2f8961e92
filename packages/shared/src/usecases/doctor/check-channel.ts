/** What can be said of a channel: its credentials and models by a free look, its prices, limits and dates by reading. */

import { type ChannelSpec, chooseModel, imagePrice, modelById, type ServedModel } from '../../domain/index.ts';
import type { ChannelLook } from '../../ports/channel.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Check, type Found, ok, problem, warning } from './finding.ts';

const DAY_MS = 86_400_000;
const SOON_DAYS = 60;
/** Beyond this many times the catalogue's price, either way, a price is more likely a slip than a bargain. */
const FAR = 4;

export type LookAtChannel = (id: string, signal: AbortSignal) => Promise<ChannelLook>;

/** @param options `secretsHere`: the program that looks is one that calls, so its credentials are to be readable here */
export function channelCheck(
  spec: ChannelSpec,
  options: { look: LookAtChannel; clock: Clock; secretsHere: boolean },
): Check {
  return {
    group: `Channel ${spec.id} (${spec.kind})`,
    name: 'credentials',
    run: async (signal) => [
      ...seen(spec, await options.look(spec.id, signal), options.secretsHere),
      ...Object.entries(spec.models).flatMap(([id, served]) => [
        ...dates(id, options.clock.now()),
        ...retired(served),
        ...prices(id, served),
      ]),
      limits(spec),
    ],
  };
}

function seen({ id, models }: ChannelSpec, look: ChannelLook, secretsHere: boolean): Found[] {
  switch (look.type) {
    case 'refused':
      return [problem(`refused (${look.http}): ${look.message}`, `put a valid key where channel ${id} names one`)];
    case 'unreachable':
      return [problem(`cannot be reached: ${look.reason}`, 'check its base_url, and the way out of this machine')];
    case 'unreadable':
      return secretsHere
        ? [problem(look.reason, 'set what it names, for the worker')]
        : [warning('not looked at: they are not given to this program', 'run npm run doctor where a worker runs')];
    default: {
      const name = (model: string) => `${model} (${models[model]?.providerModel ?? model})`;
      return [
        ok('accepted'),
        ...look.unknownModels.map((model) =>
          problem(`the provider does not know ${name(model)}`, 'correct its id, or take it from models', 'models'),
        ),
        ...look.unseenModels.map((model) =>
          warning(`the provider does not say whether it has ${name(model)}`, 'make one image with it to see', 'models'),
        ),
      ];
    }
  }
}

function dates(id: string, now: number): Found[] {
  const { retiresOn, successor } = modelById(id);
  if (!retiresOn) return [];
  const days = Math.ceil((Date.parse(retiresOn) - now) / DAY_MS);
  if (days > SOON_DAYS) return [];
  const fix = successor ? `move to ${successor}` : 'see GET /v1/models for others';
  return [
    days <= 0
      ? warning(`${id} was to end on ${retiresOn}`, fix, 'dates')
      : warning(`${id} ends on ${retiresOn}, in ${days} days`, fix, 'dates'),
  ];
}

/** A model that is served by a name which the provider has given up. */
function retired({ providerModel }: ServedModel): Found[] {
  const choice = chooseModel(providerModel);
  const isOld =
    choice.type === 'model' && choice.model.id !== providerModel && !choice.model.aliases.includes(providerModel);
  if (!isOld) return [];
  return [warning(`the id ${providerModel} was shut down by Google`, `use the id ${choice.model.id}`, 'dates')];
}

function prices(id: string, served: ServedModel): Found[] {
  const { price, capabilities } = served;
  if (!price) return [];
  const model = modelById(id);
  return capabilities.sizes.flatMap((size): Found[] => {
    const known = imagePrice(model, size, 'standard');
    const asked = 'perImage' in price ? (price.perImage[size] ?? 0) : price.factor * known;
    const times = asked / known;
    if (times <= FAR && times >= 1 / FAR) return [];
    return [
      warning(
        `${id} in ${size} is priced at $${asked / 1e6}, the catalogue says $${known / 1e6}`,
        'check the price in the channels file',
        'prices',
      ),
    ];
  });
}

function limits({ models, limits: whole }: ChannelSpec): Found {
  const bare = Object.entries(models).filter(([, served]) => !isLimited(served));
  if (bare.length === 0 || Object.keys(whole).length > 0) return ok('configured', 'limits');
  // Nothing fails for it: what is not known is learnt from refusals.
  const ids = bare.length === Object.keys(models).length ? 'any model' : bare.map(([id]) => id).join(', ');
  return ok(`none configured for ${ids}: they are learnt from refusals`, 'limits');
}

/** When a day ends is said of every model, and limits nothing. */
function isLimited({ limits }: ServedModel): boolean {
  return Object.keys(limits).some((name) => name !== 'day');
}
