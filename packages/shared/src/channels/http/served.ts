/** What a channel serves, as far as its adapter has to know. */

import type { ServedModel } from '../../domain/channel.ts';
import { refusalOfServed } from '../../domain/eligible.ts';
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
 * @throws Error that says what it is
 */
export function assertCarried(
  models: ServedModels | undefined,
  request: JobRequest,
  { references, takesUris }: { references: readonly ReferenceInput[]; takesUris: boolean },
): void {
  if (!takesUris && references.some((input) => !Buffer.isBuffer(input))) {
    throw new Error('this channel takes references as bytes only');
  }
  const served = models && Object.hasOwn(models, request.model) ? models[request.model] : undefined;
  const why = served?.capabilities && refusalOfServed(request, served.capabilities);
  if (why) throw new Error(`this channel ${why}`);
}
