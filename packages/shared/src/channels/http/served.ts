/** What a channel serves, as far as its adapter has to know. */

import type { Capabilities, ServedModel } from '../../domain/channel.ts';
import type { JobRequest } from '../../domain/job.ts';
import type { ReferenceInput } from '../../ports/channel.ts';

/** By catalogue id. What has no capabilities carries whatever the model can. */
export type ServedModels = Readonly<Record<string, Pick<ServedModel, 'providerModel'> & Partial<ServedModel>>>;

/** What the provider calls `model`. @throws Error when the channel does not serve it */
export function providerModelOf(models: ServedModels | undefined, model: string): string {
  if (!models) return model;
  const served = Object.hasOwn(models, model) ? models[model] : undefined;
  if (!served) throw new Error(`${model} is not served here`);
  return served.providerModel;
}

/**
 * Holds against a call what would have to be left out of it. Who chooses the channel has kept such calls away.
 *
 * @throws Error that names the field
 */
export function assertCarried(
  models: ServedModels | undefined,
  request: JobRequest,
  { references, takesUris }: { references: readonly ReferenceInput[]; takesUris: boolean },
): void {
  if (!takesUris && references.some((input) => !Buffer.isBuffer(input))) {
    throw new Error('references: this channel takes bytes only');
  }
  const served = models && Object.hasOwn(models, request.model) ? models[request.model] : undefined;
  const field = served?.capabilities && fieldNotCarried(request, served.capabilities);
  if (field) throw new Error(`${field}: this channel does not carry it`);
}

function fieldNotCarried(request: JobRequest, can: Capabilities): string | undefined {
  const { references, aspectRatio } = request;
  const carried: Record<string, boolean> = {
    size: can.sizes.includes(request.size),
    aspect_ratio: aspectRatio === undefined || can.aspectRatios.includes(aspectRatio),
    references: references.length <= can.references && references.every(({ mime }) => can.mimes.includes(mime)),
    thinking: request.thinking === undefined || can.thinking,
    seed: request.seed === undefined || can.seed,
    safety: request.safety.length === 0 || can.safety,
    tools: request.tools.every((tool) => can.tools.includes(tool)),
  };
  return Object.keys(carried).find((field) => !carried[field]);
}
