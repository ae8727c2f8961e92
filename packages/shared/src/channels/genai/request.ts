/** A job's request as the provider's SDK wants it. Pure. */

import {
  type GenerateContentParameters,
  HarmBlockThreshold,
  HarmCategory,
  type HttpOptions,
  type Part,
  ThinkingLevel,
} from '@google/genai';
import type { JobRequest, Reference } from '../../domain/job.ts';
import type { ReferenceInput } from '../../ports/channel.ts';
import { captionOf, sizeOf } from '../http/request-parts.ts';

/**
 * The SDK parameters of one call that can only ever be one HTTP call.
 *
 * @param references the bytes or addresses of `request.references`, in the same order
 * @param model      what the provider calls `request.model`
 */
export function buildRequest(
  request: JobRequest,
  references: readonly ReferenceInput[],
  { httpOptions = {}, model = request.model }: { httpOptions?: HttpOptions; model?: string } = {},
): GenerateContentParameters {
  const { seed, thinking, tools, safety } = request;
  const size = sizeOf(request);
  const parts = [{ text: request.prompt }, ...request.references.flatMap((ref, n) => toParts(ref, n, references[n]))];
  return {
    model,
    contents: [{ role: 'user', parts }],
    config: {
      httpOptions,
      automaticContinuation: false, // a continuation would be a second call, billed again
      responseModalities: ['TEXT', 'IMAGE'],
      imageConfig: {
        ...(request.aspectRatio && { aspectRatio: request.aspectRatio }),
        ...(size && { imageSize: size }),
      },
      ...(seed !== undefined && { seed }),
      ...(thinking && { thinkingConfig: { thinkingLevel: member(ThinkingLevel, thinking.toUpperCase()) } }),
      ...(tools.includes('google_search') && { tools: [{ googleSearch: {} }] }),
      ...(safety.length > 0 && {
        safetySettings: safety.map(({ category, threshold }) => ({
          category: member(HarmCategory, category),
          threshold: member(HarmBlockThreshold, threshold),
        })),
      }),
    },
  };
}

/**
 * The same call as a REST body, for where the SDK sends nothing itself: a line of a batch's input.
 *
 * @param references the bytes or addresses of `request.references`, in the same order
 */
export function buildBody(request: JobRequest, references: readonly ReferenceInput[]): Record<string, unknown> {
  const { contents, config = {} } = buildRequest(request, references);
  const { httpOptions: _, automaticContinuation: __, safetySettings, tools, ...generationConfig } = config;
  return { contents, ...(safetySettings && { safetySettings }), ...(tools && { tools }), generationConfig };
}

function toParts(reference: Reference, index: number, input: ReferenceInput | undefined): Part[] {
  if (!input) throw new Error(`the bytes of reference ${index} are missing`);
  const mimeType = reference.mime;
  const image = Buffer.isBuffer(input)
    ? { inlineData: { mimeType, data: input.toString('base64') } }
    : { fileData: { fileUri: input.uri, mimeType } };
  const caption = captionOf(reference, index);
  return caption ? [{ text: caption }, image] : [image];
}

/** The SDK's own word for `value`. */
function member<T extends string>(words: Record<string, T>, value: string): T {
  const found = Object.values(words).find((word) => word === value);
  if (found === undefined) throw new Error(`the provider knows no ${value}`);
  return found;
}
