/** OpenAI's way to ask for images, at OpenAI, at relays that copy it, and at Google's own compatible endpoint. */
import { z } from 'zod';
import { encodeJson } from '../answer/json.ts';
import type { Plan } from '../answer/plan.ts';
import type { Presented } from '../answer/present.ts';
import { GoogleError, invalidArgument, modelNotFound, type Refusal } from '../http/google-error.ts';
import { findModel, GPT_IMAGE, type Model, pixelsOf } from '../models.ts';
import { settingsOf } from '../projects.ts';
import type { Body, Call } from '../routes/call.ts';
import type { Asked, Dialect, Job } from '../routes/generate-content.ts';
import { BLOCKED } from './chat.ts';
import { relayed } from './gemini.ts';
import { configOf } from './image-size.ts';
import { readBodyAs } from './read-body.ts';

/** What both routes take; OpenAI refuses other fields, relays and Google let them pass. */
export const ImagesBody = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().min(1).max(32_000),
  n: z.literal(1, 'only one image at a time').nullish(),
  size: z.string().nullish(),
  quality: z.string().nullish(),
  background: z.string().nullish(),
  moderation: z.string().nullish(),
  output_format: z.enum(['png', 'jpeg']).nullish(),
  output_compression: z.number().nullish(),
  response_format: z.literal('b64_json', "only 'b64_json'").nullish(),
  user: z.string().nullish(),
  stream: z.literal(false).nullish(),
});
type ImagesBody = z.infer<typeof ImagesBody>;

// OpenAI's own model always answers with base64, and does not want to be told so.
const TAKEN = new Set(Object.keys(ImagesBody.shape).filter((name) => name !== 'response_format'));

export const IMAGE_GENERATIONS: Dialect = {
  read: async (call) => askedBy(call, await readBodyAs(call, ImagesBody), []),
  refusal,
  write,
};

/** What a body and its images ask for. @throws GoogleError when there is no such model, or it does not take that. */
export function askedBy(call: Call, body: ImagesBody, images: readonly unknown[], more: readonly string[] = []): Asked {
  const { world, entry } = call;
  const id = body.model ?? 'dall-e-2';
  const model = modelOf(call, id);
  world.journal.update(entry, { model: model?.id ?? id, prompt: body.prompt });
  if (!model) throw new GoogleError(modelNotFound(id, entry.version));
  if (model.id === GPT_IMAGE.id) refuseUnknown(body, more);
  const mime = call.mode === 'openai' ? mimeOf(call, body, model) : model.mime;
  const json = {
    contents: [{ parts: [{ text: body.prompt }, ...images] }],
    generationConfig: { imageConfig: configOf(model, body.size) },
  };
  return { model: { ...model, mime }, json, strict: false };
}

function modelOf({ mode }: Call, id: string): Model | undefined {
  if (mode === 'compatible') return findModel(id.replace(/^models\//, ''));
  return id === GPT_IMAGE.id ? GPT_IMAGE : relayed(id);
}

function mimeOf(call: Call, { output_format: format }: ImagesBody, model: Model): Model['mime'] {
  if (format != null) return `image/${format}`;
  return settingsOf(call.world.settings, call.project).relay.png ? 'image/png' : model.mime;
}

function refuseUnknown(body: ImagesBody, more: readonly string[]): void {
  const unknown = Object.keys(body).find((name) => !TAKEN.has(name) && !more.includes(name));
  if (unknown === undefined) return;
  throw new GoogleError({ ...invalidArgument(`Unknown parameter: '${unknown}'.`), reason: unknown });
}

/** There is no way to say in a 200 that a content was not wanted. */
export function refusal(plan: Plan): Refusal | undefined {
  const reason = plan.blockReason ?? plan.finishReason;
  if (plan.blockReason === undefined && !BLOCKED.has(reason)) return undefined;
  const message =
    'Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com ' +
    `and include the reason ${reason}. safety_violations=[${reason.toLowerCase()}].`;
  return { ...invalidArgument(message), about: 'content', reason };
}

function write(job: Job, presented: Presented): Body {
  const { call, model, request } = job;
  const created = Math.floor(call.entry.at / 1000);
  const data = presented.pictures.map((picture) => ({ b64_json: picture }));
  if (call.mode === 'compatible') return { source: encodeJson({ created, data }) };
  const { usage } = settingsOf(call.world.settings, call.project).relay;
  return {
    source: encodeJson({
      created,
      ...(model.id === GPT_IMAGE.id && {
        background: 'opaque',
        output_format: model.mime.slice('image/'.length),
        quality: 'high',
        size: pixelsOf(model, request.size, request.ratio).join('x'),
      }),
      data,
      ...(presented.plan.showsUsage && usage && { usage: usageOf(presented) }),
    }),
  };
}

function usageOf({ plan: { usage } }: Presented): Record<string, unknown> {
  const input = usage.prompt + usage.promptImages;
  const output = usage.candidates + usage.thoughts;
  return {
    input_tokens: input,
    input_tokens_details: { image_tokens: usage.promptImages, text_tokens: usage.prompt },
    output_tokens: output,
    total_tokens: input + output,
  };
}
