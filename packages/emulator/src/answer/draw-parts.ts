/** Makes the pictures and signatures of a planned answer. */

import { withoutDirective } from '../directive.ts';
import type { Picture } from '../image/render.ts';
import type { Model, Pixels } from '../models.ts';
import { between, type Random } from '../random.ts';
import type { ImageRequest } from '../request/request.ts';
import type { World } from '../world.ts';
import { type Base64, base64Field } from './json.ts';
import type { Plan, PlannedPart } from './plan.ts';

type Order = {
  model: Model;
  request: ImageRequest;
  plan: Plan;
  /** Makes signatures of different answers differ. */
  owner: string;
  imageBytes: number | undefined;
  /** Set from the second answer to the same request on, so that no two show the same picture. */
  copy?: number;
  random: Random;
};

/** Lightest and heaviest real images, in bytes, by size and type. */
const WEIGHTS: Readonly<Record<string, readonly [min: number, max: number]>> = {
  'image/jpeg 512': [180_000, 260_000],
  'image/jpeg 1K': [650_000, 950_000],
  'image/jpeg 2K': [2_000_000, 3_600_000],
  'image/jpeg 4K': [6_000_000, 14_000_000],
  'image/png 1K': [1_200_000, 1_950_000],
};

type Tools = Pick<World, 'settings' | 'pictures' | 'sign'>;

export async function drawParts(world: Tools, order: Order): Promise<{ pictures: Base64[]; signatures: Base64[] }> {
  const { model, plan, owner, random } = order;
  const images = plan.parts.filter((part) => part.type === 'image');
  const pictures: Base64[] = [];
  for (const part of images) pictures.push(base64Field(await world.pictures.base64(pictureOf(world, order, part))));
  const { signature_bytes: weight } = world.settings;
  const signatures = model.signs ? plan.parts.map((_, i) => world.sign(`${owner}:${i}`, weight, random)) : [];
  return { pictures, signatures };
}

function pictureOf(world: Tools, order: Order, part: Extract<PlannedPart, { type: 'image' }>): Picture {
  const { model, request } = order;
  const [width, height] = within(world.settings.longest_side, request.pixels);
  const shared = world.settings.render === 'fast';
  const footer = [
    ...(part.draft === undefined ? [] : [`DRAFT ${part.draft}`]),
    ...(part.thought ? ['THOUGHT'] : []),
    ...(order.copy === undefined ? [] : [`COPY ${order.copy}`]),
    ...(shared ? [] : [model.id.replace(/^gemini-/, '')]),
    `${width}x${height}`,
    ...(shared || request.seed === undefined ? [] : [`seed ${request.seed}`]),
  ];
  const words = shared ? `${request.size} ${request.ratio}` : withoutDirective(request.prompt);
  return { width, height, mime: model.mime, words, footer: footer.join(' '), bytes: weightOf(world, order) };
}

/** The same shape with no side longer than `longest`. */
function within(longest: number | 'real', [width, height]: Pixels): Pixels {
  const scale = longest === 'real' ? 1 : Math.min(1, longest / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

function weightOf({ settings }: Tools, { model, request, imageBytes, random }: Order): number {
  const wanted = imageBytes ?? settings.image_bytes;
  if (wanted !== 'auto') return wanted;
  if (settings.render !== 'full') return 0;
  const [min, max] = WEIGHTS[`${model.mime} ${request.size}`] ?? [0, 0];
  return between(random, min, max);
}
