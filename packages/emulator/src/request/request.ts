/** Parses the body of a generateContent call into what the emulator needs to know of it. */
import { refusalOf } from '../faults/refusals.ts';
import { GoogleError } from '../http/google-error.ts';
import { type Model, nearestRatio, type Pixels, pixelsOf } from '../models.ts';
import { checkRequest, type Strictness } from './check.ts';
import { GENERATE_CONTENT_FIELDS } from './fields.ts';
import { pixelsOfImage } from './input-image.ts';
import { type Fields, readMessage } from './message.ts';
import { imagesOf, lastWords, Wire, type WireRequest } from './wire.ts';

/** A call the model accepts. */
export type ImageRequest = {
  /** The text of the last user turn. */
  prompt: string;
  size: string;
  ratio: string;
  pixels: Pixels;
  thinking: string | undefined;
  includeThoughts: boolean;
  wantsText: boolean;
  searches: boolean;
  seed: number | undefined;
  promptTokens: number;
  referenceTokens: number;
  serviceTier: string;
};

/** Reads names, types and the limits of the model. @throws GoogleError 400 or 403, in Google's words. */
export async function parseRequest(
  json: unknown,
  model: Model,
  strictness: Strictness,
  fields: Fields = GENERATE_CONTENT_FIELDS,
): Promise<ImageRequest> {
  const wire = Wire.parse(readMessage(json, fields));
  checkRequest(wire, model, strictness);
  return describe(wire, model);
}

async function describe(wire: WireRequest, model: Model): Promise<ImageRequest> {
  const { imageConfig = {}, thinkingConfig = {}, responseModalities = ['TEXT', 'IMAGE'], seed } = wire.generationConfig;
  const size = imageConfig.imageSize ?? '1K';
  const ratio = imageConfig.aspectRatio ?? (await ratioOfInput(wire, model));
  return {
    prompt: lastWords(wire.contents),
    size,
    ratio,
    pixels: pixelsOf(model, size, ratio),
    thinking: thinkingConfig.thinkingLevel ?? model.thinking[0],
    includeThoughts: thinkingConfig.includeThoughts ?? false,
    wantsText: responseModalities.includes('TEXT'),
    searches: wire.tools.some((tool) => 'googleSearch' in tool),
    seed,
    promptTokens: textTokens(wire),
    referenceTokens: imagesOf(wire).length * model.referenceTokens,
    serviceTier: wire.serviceTier?.toLowerCase() ?? 'standard',
  };
}

// About four letters to a token, as Google's own rule of thumb has it.
function textTokens({ contents, systemInstruction }: WireRequest): number {
  const turns = systemInstruction ? [...contents, systemInstruction] : contents;
  const letters = turns.flatMap(({ parts }) => parts).reduce((sum, { text = '' }) => sum + text.length, 0);
  return Math.max(1, Math.ceil(letters / 4));
}

/** Without a wish the picture takes the shape of the last inline image, else it is a square. */
async function ratioOfInput(wire: WireRequest, model: Model): Promise<string> {
  const last = imagesOf(wire).findLast(({ inlineData }) => inlineData)?.inlineData;
  if (!last) return '1:1';
  const pixels = await pixelsOfImage(Buffer.from(last.data, 'base64'));
  if (!pixels) throw new GoogleError(refusalOf('bad_image', { model: model.id, version: '' }));
  return nearestRatio(model, ...pixels);
}
