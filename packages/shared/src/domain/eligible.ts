/** Which channels may carry a request at all, and why the others may not. Pure; nothing here is about how they fare. */

import type { Capabilities, ChannelSpec, ServedModel } from './channel.ts';
import type { ImageMime, JobRequest, Lane } from './job.ts';
import { type Model, modelById } from './models.ts';

/** What a channel is asked to carry. Before references are fetched, of each no more than that it comes is known. */
export type Carried = Pick<
  JobRequest,
  'size' | 'aspectRatio' | 'seed' | 'thinking' | 'tools' | 'safety' | 'routing'
> & {
  references: readonly { mime?: ImageMime | undefined; role?: string | undefined }[];
};

/** `why` goes on from the channel's name: `takes at most 3 reference images, the job has 14`. */
export type Refusal = { channel: string; why: string };

export type Eligible = { channels: { spec: ChannelSpec; served: ServedModel }[]; refusals: Refusal[] };

/**
 * Every channel is in one of the two lists, each in the order of `specs`.
 *
 * @param asked the model is named apart, because a job may be made by the next one of its `routing.models`
 */
export function eligible(
  request: Carried,
  asked: { model: string; lane: Lane },
  specs: readonly ChannelSpec[],
): Eligible {
  const found: Eligible = { channels: [], refusals: [] };
  const model = modelById(asked.model);
  const everywhere = refusalOfModel(request, asked.lane, model);
  for (const spec of specs) {
    const served = Object.hasOwn(spec.models, model.id) ? spec.models[model.id] : undefined;
    const why = served
      ? (refusalOfChannel(request, asked.lane, spec) ?? everywhere ?? refusalOfServed(request, served.capabilities))
      : `does not serve ${model.id}`;
    if (served && why === undefined) found.channels.push({ spec, served });
    else if (why !== undefined) found.refusals.push({ channel: spec.id, why });
  }
  return found;
}

/** What no channel could change, such as a level that the next model of a chain does not have. */
function refusalOfModel({ thinking, references, tools }: Carried, lane: Lane, model: Model): string | undefined {
  if (!model.lanes.includes(lane)) return `has no lane ${lane} for ${model.id}`;
  // Search happens while an image is made, and within a provider batch nobody does it.
  if (lane === 'batch' && tools.length) return 'takes no tools in lane batch';
  if (thinking !== undefined && !model.thinking.includes(thinking))
    return `has no thinking ${thinking} for ${model.id}`;
  for (const [role, most] of Object.entries(model.references.byRole)) {
    const count = references.filter((reference) => reference.role === role).length;
    if (count > most)
      return `takes at most ${counted(most, `${role} reference`)} for ${model.id}, the job has ${count}`;
  }
  return undefined;
}

function refusalOfChannel({ references, routing }: Carried, lane: Lane, spec: ChannelSpec): string | undefined {
  if (routing?.channels && !routing.channels.includes(spec.id)) return 'is not in routing.channels';
  if (!spec.lanes.includes(lane)) return `does not carry lane ${lane}`;
  if (references.length && !spec.trust.references) return "may not be sent callers' images";
  return undefined;
}

/** Why what can be carried there does not suffice for a request; goes on from the channel's name. */
export function refusalOfServed(request: Carried, can: Capabilities): string | undefined {
  const { size, aspectRatio, references, thinking, seed, safety, tools } = request;
  if (!can.sizes.includes(size)) return `does not make size ${size}`;
  if (aspectRatio !== undefined && !can.aspectRatios.includes(aspectRatio)) return `does not make ratio ${aspectRatio}`;
  if (references.length > can.references) return tooMany(can.references, references.length);
  const mime = references.find((one) => one.mime !== undefined && !can.mimes.includes(one.mime))?.mime;
  if (mime) return `takes no ${mime}`;
  if (thinking !== undefined && !can.thinking) return 'has no thinking levels';
  if (seed !== undefined && !can.seed) return 'takes no seed';
  if (safety.length && !can.safety) return 'takes no safety settings';
  const tool = tools.find((one) => !can.tools.includes(one));
  return tool && `has no ${tool}`;
}

function tooMany(most: number, count: number): string {
  return most === 0
    ? `takes no reference images, the job has ${count}`
    : `takes at most ${counted(most, 'reference image')}, the job has ${count}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
