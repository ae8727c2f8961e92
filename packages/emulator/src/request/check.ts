/** What Google checks once names and types are right: the limits of the model, the images, the signatures. */
import { missingSignature, refusalOf } from '../faults/refusals.ts';
import { GoogleError, invalidArgument, type Refusal } from '../http/google-error.ts';
import type { Model } from '../models.ts';
import { isImageType, looksLikeImage } from './input-image.ts';
import { imagesOf, type WirePart, type WireRequest } from './wire.ts';

export type Strictness = {
  /** A model's image must come back with its signature. */
  signatures: boolean;
  /** What is wrong with using a file; `undefined` = nothing. */
  checkFile: (id: string) => Refusal | undefined;
};

/** @throws GoogleError for the first rule that is broken. */
export function checkRequest(wire: WireRequest, model: Model, strictness: Strictness): void {
  const refusal =
    checkContents(wire) ??
    checkConfig(wire, model) ??
    checkThinking(wire, model) ??
    checkTools(wire, model) ??
    checkImages(wire, model, strictness) ??
    (strictness.signatures && model.signs ? checkSignatures(wire) : undefined);
  if (refusal) throw new GoogleError(refusal);
}

function checkContents({ contents }: WireRequest): Refusal | undefined {
  if (contents.length === 0) return invalid('contents', 'contents is not specified');
  const bare = contents.findIndex(({ parts }) => parts.length === 0);
  if (bare >= 0) return invalid(`contents[${bare}].parts`, 'contents.parts must not be empty.');
  const odd = contents.find(({ role }) => role !== 'user' && role !== 'model');
  return odd && invalidArgument('Please use a valid role: user, model.');
}

function checkConfig({ generationConfig: config }: WireRequest, model: Model): Refusal | undefined {
  const { imageConfig: { aspectRatio, imageSize } = {}, candidateCount = 1, responseModalities } = config;
  if (imageSize !== undefined && !Object.hasOwn(model.imageTokens, imageSize)) {
    return invalid('generation_config.image_config.image_size', oneOf('image_size', Object.keys(model.imageTokens)));
  }
  if (aspectRatio !== undefined && !Object.hasOwn(model.pixels, aspectRatio)) {
    return invalid('generation_config.image_config.aspect_ratio', oneOf('aspect_ratio', Object.keys(model.pixels)));
  }
  if (candidateCount !== 1) return invalidArgument('Multiple candidates is not enabled for this model');
  if (config.responseMimeType?.includes('json')) return invalidArgument('JSON mode is not enabled for this model');
  return responseModalities && checkModalities(responseModalities, model);
}

function checkModalities(modalities: string[], model: Model): Refusal | undefined {
  if (modalities.includes('IMAGE') && modalities.every((modality) => modality === 'IMAGE' || modality === 'TEXT'))
    return undefined;
  return invalidArgument(
    `The requested combination of response modalities (${modalities.join(', ')}) is not supported by the model. ` +
      `models/${model.id} accepts the following combination of response modalities:\n* IMAGE\n* TEXT, IMAGE\n`,
  );
}

function checkThinking({ generationConfig: { thinkingConfig } }: WireRequest, model: Model): Refusal | undefined {
  const { thinkingLevel, thinkingBudget } = thinkingConfig ?? {};
  if (thinkingLevel !== undefined && thinkingBudget !== undefined) {
    return invalidArgument('You can only set only one of thinking budget and thinking level.');
  }
  if (thinkingLevel === undefined || model.thinking.includes(thinkingLevel)) return undefined;
  return invalidArgument(
    `Thinking level ${thinkingLevel.toUpperCase()} is not supported for this model. Please retry with other thinking level.`,
  );
}

function checkTools({ tools }: WireRequest, model: Model): Refusal | undefined {
  const names = tools.flatMap((tool) => Object.keys(tool));
  if (names.includes('functionDeclarations')) return invalidArgument('Function calling is not enabled for this model');
  if (names.includes('googleSearch') && !model.searches) {
    return invalidArgument('Search Grounding is not supported for this model.');
  }
  const other = names.find((name) => name !== 'googleSearch');
  return other === undefined ? undefined : invalidArgument(`${other} is not supported for models/${model.id}.`);
}

function checkImages(wire: WireRequest, model: Model, { checkFile }: Strictness): Refusal | undefined {
  const images = imagesOf(wire);
  if (images.length > model.referencesMax) {
    return invalid('contents', `too many images: ${images.length}, the model accepts at most ${model.referencesMax}`);
  }
  for (const { inlineData, fileData } of images) {
    const refusal = (inlineData && checkInline(inlineData)) ?? (fileData && checkUri(fileData.fileUri, checkFile));
    if (refusal) return refusal;
  }
  return undefined;
}

function checkInline({ mimeType, data }: NonNullable<WirePart['inlineData']>): Refusal | undefined {
  if (!isImageType(mimeType)) return invalidArgument(`Unsupported MIME type: ${mimeType}`);
  return looksLikeImage(data) ? undefined : refusalOf('bad_image', { model: '', version: '' });
}

// Google fetches other URLs itself. The emulator dials nobody: it takes them as fetched.
function checkUri(uri: string, checkFile: Strictness['checkFile']): Refusal | undefined {
  const id = /\/v1(?:beta|alpha)?\/files\/([a-z0-9-]+)$/.exec(uri)?.[1];
  if (id !== undefined) return checkFile(id);
  return /^(https|gs):\/\/./.test(uri)
    ? undefined
    : invalidArgument(`Invalid or unsupported file uri: ${uri.slice(0, 200)}`);
}

function checkSignatures({ contents }: WireRequest): Refusal | undefined {
  for (const [c, { role, parts }] of contents.entries()) {
    if (role !== 'model') continue;
    const bare = parts.findIndex(
      (part) => (part.inlineData ?? part.fileData) && !part.thought && !part.thoughtSignature,
    );
    if (bare >= 0) return invalidArgument(missingSignature(c + 1, bare + 1));
  }
  return undefined;
}

function invalid(field: string, problem: string): Refusal {
  return invalidArgument(`* GenerateContentRequest.${field}: ${problem}\n`);
}

function oneOf(name: string, values: string[]): string {
  return `${name} must be one of ${values.map((value) => `'${value}'`).join(', ')}`;
}
