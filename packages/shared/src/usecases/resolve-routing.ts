/** From what a caller said of routing to what the job is recorded with: names looked up, defaults filled in. */

import { AppError, type ChannelSpec, chooseModel, type Model, type Routing } from '../domain/index.ts';
import { didYouMean, type SubmitJobBody } from '../schemas/index.ts';
import { retiredModel, unknownModel } from './resolve-request.ts';

/** What an installation has to offer, and what it does for jobs that do not say. */
export type Offering = {
  channels: readonly ChannelSpec[];
  hedge: { enabled: boolean };
  placeholder: { enabled: boolean };
};

/** @throws AppError `invalid_request` or `model_retired` for a name that is not known, naming those that are */
export function resolveRouting(
  { routing = {} }: Pick<SubmitJobBody, 'routing'>,
  model: Model,
  { channels: specs, hedge, placeholder }: Offering,
): Routing | undefined {
  const channels = routing.channels && knownChannels(routing.channels, specs);
  const models = [...new Set([model.id, ...(routing.models ?? []).map(modelNamed)])];
  const resolved: Routing = {
    ...(channels && { channels }),
    ...(models.length > 1 && { models }),
    ...((routing.hedge ?? hedge.enabled) && { hedge: true }),
    ...((routing.placeholder ?? placeholder.enabled) && { placeholder: true }),
  };
  return Object.keys(resolved).length ? resolved : undefined;
}

function knownChannels(asked: string[], specs: readonly ChannelSpec[]): string[] {
  const known = specs.map(({ id }) => id);
  const at = asked.findIndex((id) => !known.includes(id));
  if (at < 0) return [...new Set(asked)];
  const param = `routing.channels[${at}]`;
  throw new AppError('invalid_request', {
    message: `${param} "${asked[at]}" is not known${didYouMean(asked[at], known) || '.'}`,
    param,
    fix: `Use one of ${known.join(', ')}, or leave routing.channels out.`,
  });
}

function modelNamed(asked: string, n: number): string {
  const choice = chooseModel(asked);
  if (choice.type === 'model') return choice.model.id;
  const field = `routing.models[${n}]`;
  throw choice.type === 'gone' ? retiredModel(asked, choice.successor, field) : unknownModel(asked, field);
}
