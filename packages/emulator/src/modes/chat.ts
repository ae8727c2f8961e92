/** Chats that answer with an image: OpenRouter's, with `message.images`, and a relay's, with a picture in markdown. */
import { z } from 'zod';
import { type Base64, encodeJson, textField } from '../answer/json.ts';
import type { ErrorInside, Plan } from '../answer/plan.ts';
import type { Presented } from '../answer/present.ts';
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import { letters } from '../ids.ts';
import type { Model } from '../models.ts';
import { settingsOf } from '../projects.ts';
import type { Body, Call } from '../routes/call.ts';
import type { Asked, Dialect, Job } from '../routes/generate-content.ts';
import { checkCredits } from './credits.ts';
import { relayed } from './gemini.ts';
import { dataUrlHead, partOfUrl } from './image-url.ts';
import { openRouterModel } from './openrouter-models.ts';
import { readBodyAs } from './read-body.ts';

const ImageUrl = z.object({ type: z.literal('image_url'), image_url: z.object({ url: z.string() }) });
const Text = z.object({ type: z.literal('text'), text: z.string() });
const ChatPart = z.discriminatedUnion('type', [Text, ImageUrl]);
type ChatPart = z.infer<typeof ChatPart>;

// Other fields are let pass, as both let them pass.
const ChatBody = z.object({
  model: z.string(),
  messages: z
    .array(
      z.object({
        role: z.enum(['system', 'developer', 'user', 'assistant']),
        content: z.union([z.string(), z.array(ChatPart)]).nullish(),
        images: z.array(ImageUrl).nullish(),
      }),
    )
    .min(1),
  modalities: z.array(z.string()).nullish(),
  image_config: z.object({ aspect_ratio: z.string().nullish(), image_size: z.string().nullish() }).nullish(),
  seed: z.number().int().nullish(),
  n: z.literal(1).nullish(),
  stream: z.literal(false).nullish(),
});
type ChatBody = z.infer<typeof ChatBody>;

export const CHAT: Dialect = { read, write };

async function read(call: Call): Promise<Asked> {
  const { world, entry, mode } = call;
  const body = await readBodyAs(call, ChatBody);
  const known = mode === 'openrouter' ? openRouterModel(body.model) : relayed(body.model);
  world.journal.update(entry, { model: known?.id ?? body.model, prompt: wordsOf(body.messages.at(-1)?.content) });
  if (!known) throw new GoogleError(modelNotFound(body.model, entry.version));
  if (mode === 'relay') return { model: pictured(call, known), json: toGenerateContent(body), strict: false };
  const { image_only: imageOnly } = settingsOf(world.settings, call.project).openrouter;
  if (imageOnly.includes(body.model)) throw new GoogleError(IMAGE_ONLY);
  checkCredits(call);
  return { model: known, json: toGenerateContent(body), strict: false };
}

const IMAGE_ONLY = { http: 500, status: 'INTERNAL', about: 'path', message: 'Internal Server Error' } as const;

function pictured({ world, project }: Call, model: Model): Model {
  return settingsOf(world.settings, project).relay.png ? { ...model, mime: 'image/png' } : model;
}

function toGenerateContent({ messages, modalities, image_config: config, seed }: ChatBody): unknown {
  const isSystem = ({ role }: ChatBody['messages'][number]) => role === 'system' || role === 'developer';
  const instructions = messages.filter(isSystem).map(({ content }) => ({ text: wordsOf(content) }));
  const imageConfig = {
    ...(config?.aspect_ratio != null && { aspectRatio: config.aspect_ratio }),
    ...(config?.image_size != null && { imageSize: config.image_size }),
  };
  return {
    contents: messages
      .filter((message) => !isSystem(message))
      .map(({ role, content, images }) => ({
        role: role === 'assistant' ? 'model' : 'user',
        parts: [...partsOf(content), ...(images ?? []).map(({ image_url: { url } }) => partOfUrl(url))],
      })),
    ...(instructions.length > 0 && { systemInstruction: { parts: instructions } }),
    generationConfig: {
      imageConfig,
      ...(modalities && { responseModalities: modalities.map((modality) => modality.toUpperCase()) }),
      ...(seed != null && { seed }),
    },
  };
}

function partsOf(content: ChatBody['messages'][number]['content']): unknown[] {
  if (typeof content === 'string') return [{ text: content }];
  return (content ?? []).map((part) => (part.type === 'text' ? { text: part.text } : partOfUrl(part.image_url.url)));
}

function wordsOf(content: string | ChatPart[] | null | undefined): string {
  if (typeof content === 'string') return content;
  return (content ?? []).flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n');
}

function write(job: Job, presented: Presented): Body {
  const { call } = job;
  const { errorInside: error } = presented.plan;
  if (error?.at === 'top') return { source: encodeJson(errorInside(error)) };
  const head = {
    id: `${call.mode === 'relay' ? 'chatcmpl' : 'gen'}-${letters(24, call.world.seed, 'chat', call.entry.n)}`,
    object: 'chat.completion',
    created: Math.floor(call.entry.at / 1000),
    model: call.mode === 'relay' ? presented.plan.modelVersion : `google/${presented.plan.modelVersion}`,
  };
  const answer = call.mode === 'relay' ? relayAnswer(job, presented) : openRouterAnswer(job, presented);
  const source = encodeJson({ ...head, ...answer });
  return { source: call.mode === 'openrouter' ? [WAITING, ...source] : source };
}

/** So OpenRouter keeps a connection open on which nothing has come yet. */
const WAITING = Buffer.from('\n         \n');

function openRouterAnswer({ call }: Job, presented: Presented): Record<string, unknown> {
  const { plan, pictures, mime } = presented;
  const message = {
    role: 'assistant',
    content: textOf(plan, false) || null,
    refusal: null,
    reasoning: textOf(plan, true) || null,
    ...(pictures.length > 0 && { images: pictures.map((picture, index) => imageOf(picture, mime, index)) }),
  };
  const reason = plan.blockReason ?? plan.finishReason;
  if (plan.errorInside) return { provider: PROVIDER, choices: [failedChoice(plan.errorInside)] };
  return {
    provider: PROVIDER,
    choices: [{ index: 0, logprobs: null, finish_reason: finishOf(plan), native_finish_reason: reason, message }],
    ...(plan.showsUsage && { usage: usageOf(presented, call.entry.billed?.cost_micros ?? 0) }),
  };
}

const PROVIDER = 'Google AI Studio';

/** An error in the body of a 200, in place of all else. */
export function errorInside(error: ErrorInside): Record<string, unknown> {
  return {
    error: { ...failureOf(error), metadata: { provider_name: PROVIDER, raw: 'ERROR' } },
    user_id: 'user_emulator',
  };
}

function failedChoice(error: ErrorInside): Record<string, unknown> {
  const message = { role: 'assistant', content: '', refusal: null, reasoning: null };
  return {
    index: 0,
    logprobs: null,
    finish_reason: 'error',
    native_finish_reason: null,
    message,
    error: failureOf(error),
  };
}

function failureOf({ code = 502, message = 'Provider returned error' }: ErrorInside): Record<string, unknown> {
  return { code, message };
}

function imageOf(picture: Base64, mime: string, index: number): Record<string, unknown> {
  return { type: 'image_url', image_url: { url: textField(dataUrlHead(mime), picture) }, index };
}

/** What a plan says of its end, in the five words that a chat has for it. */
function finishOf({ finishReason, blockReason }: Plan): string {
  if (blockReason !== undefined || BLOCKED.has(finishReason)) return 'content_filter';
  if (finishReason === 'MAX_TOKENS') return 'length';
  return 'stop';
}

/** The reasons that mean the content was not wanted. */
export const BLOCKED: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
]);

function textOf({ parts }: Plan, thought: boolean): string {
  return parts.flatMap((part) => (part.type === 'text' && part.thought === thought ? part.text : [])).join('\n');
}

/** OpenRouter's usage; `cost` in credits, which are dollars. */
export function usageOf({ plan }: Presented, costMicros: number): Record<string, unknown> {
  const { usage, parts } = plan;
  const prompt = usage.prompt + usage.promptImages;
  const completion = usage.thoughts + (parts.length === 0 ? 0 : usage.candidates);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    cost: costMicros / 1_000_000,
    is_byok: false,
    prompt_tokens_details: { cached_tokens: 0 },
    cost_details: { upstream_inference_cost: null },
    completion_tokens_details: { reasoning_tokens: usage.thoughts, image_tokens: usage.images },
  };
}

function relayAnswer({ call }: Job, { plan, pictures, mime }: Presented): Record<string, unknown> {
  if (plan.errorInside) return { choices: [failedChoice(plan.errorInside)] };
  const { usage: showsUsage } = settingsOf(call.world.settings, call.project).relay;
  const { usage } = plan;
  const prompt = usage.prompt + usage.promptImages;
  const completion = plan.parts.length === 0 ? usage.thoughts : usage.candidates + usage.thoughts;
  const shown = pictures.flatMap((picture) => ['![image](', dataUrlHead(mime), picture, ')']);
  const words = textOf(plan, false) || (pictures.length === 0 ? (plan.finishMessage ?? '') : '');
  const content = textField(...(words && shown.length > 0 ? [words, '\n\n'] : [words]), ...shown);
  return {
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finishOf(plan) }],
    ...(plan.showsUsage &&
      showsUsage && {
        usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
      }),
  };
}
