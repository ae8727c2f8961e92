/** Writes a planned answer as the GenerateContentResponse a client sees. */
import type { Base64 } from './json.ts';
import type { Plan, PlannedPart } from './plan.ts';

type Json = Record<string, unknown>;

export type Presented = {
  plan: Plan;
  responseId: string;
  serviceTier: string;
  mime: string;
  /** One picture for each image part, in their order. */
  pictures: Base64[];
  /** One signature for each part, or none at all. */
  signatures: Base64[];
  /** Set when Google's cloud answers, which writes some of it in another way: when the call came, in epoch milliseconds. */
  cloudAt?: number;
};

/** The whole answer in one object. */
export function toResponse(presented: Presented): Json {
  const { plan } = presented;
  return {
    ...candidatesOf(presented, contentOf(plan, toParts(presented)), true),
    ...(plan.blockReason !== undefined && { promptFeedback: { blockReason: plan.blockReason } }),
    ...tailOf(presented),
  };
}

/** The answer as a stream brings it: one object for each part, the last one with the finish reason. */
export function toStream(presented: Presented, turnToken: string): Json[] {
  const parts = toParts(presented);
  if (parts.length === 0) return [{ ...toResponse(presented), turnToken }];
  return parts.map((part, i) => ({
    ...candidatesOf(presented, { parts: [part], role: 'model' }, i === parts.length - 1),
    ...tailOf(presented),
    turnToken,
  }));
}

function tailOf(presented: Presented): Json {
  const { plan, responseId, cloudAt } = presented;
  return {
    modelVersion: plan.modelVersion,
    responseId,
    // To the microsecond, as the cloud writes it.
    ...(cloudAt !== undefined && { createTime: new Date(cloudAt).toISOString().replace('Z', '000Z') }),
    ...(plan.showsUsage && { usageMetadata: usageMetadata(presented) }),
  };
}

function candidatesOf({ plan, cloudAt }: Presented, content: Json | undefined, last: boolean): Json {
  if (plan.candidates !== 'one') return plan.candidates === 'empty' ? { candidates: [] } : {};
  const candidate = {
    ...(content && { content }),
    ...(last && { finishReason: plan.finishReason }),
    ...(last && plan.finishMessage !== undefined && { finishMessage: plan.finishMessage }),
    ...(last && plan.grounded && { groundingMetadata: GROUNDING }),
    ...(cloudAt === undefined && { index: 0 }),
  };
  return { candidates: [candidate] };
}

function contentOf(plan: Plan, parts: Json[]): Json | undefined {
  if (parts.length > 0) return { parts, role: 'model' };
  return { empty: {}, role: { role: 'model' }, null_parts: { parts: null }, missing: undefined }[plan.emptyContent];
}

function toParts({ plan, mime, pictures, signatures }: Presented): Json[] {
  const left = [...pictures];
  return plan.parts.map((part, i) => ({
    ...dataOf(part, () => ({ data: left.shift(), mimeType: mime })),
    ...(part.thought && { thought: true }),
    // Signatures come on what follows the thoughts, never on the thoughts.
    ...(!part.thought && signatures[i] && { thoughtSignature: signatures[i] }),
  }));
}

function dataOf(part: PlannedPart, inlineData: () => Json): Json {
  return part.type === 'text' ? { text: part.text } : { inlineData: inlineData() };
}

function usageMetadata({ plan: { usage, parts }, serviceTier, cloudAt }: Presented): Json {
  const prompt = usage.prompt + usage.promptImages;
  const promptDetails = [{ modality: 'TEXT', tokenCount: usage.prompt }];
  if (usage.promptImages > 0) promptDetails.push({ modality: 'IMAGE', tokenCount: usage.promptImages });
  return {
    promptTokenCount: prompt,
    ...(usage.candidates > 0 && { candidatesTokenCount: usage.candidates }),
    totalTokenCount: prompt + usage.thoughts + (parts.length === 0 ? 0 : usage.candidates),
    promptTokensDetails: promptDetails,
    ...(usage.images > 0 && { candidatesTokensDetails: candidatesDetails(usage, cloudAt !== undefined) }),
    ...(usage.thoughts > 0 && { thoughtsTokenCount: usage.thoughts }),
    ...(cloudAt === undefined ? { serviceTier } : { trafficType: 'ON_DEMAND' }),
  };
}

function candidatesDetails({ candidates, images }: Plan['usage'], words: boolean): Json[] {
  const details = [{ modality: 'IMAGE', tokenCount: images }];
  return words && candidates > images ? [{ modality: 'TEXT', tokenCount: candidates - images }, ...details] : details;
}

const GROUNDING = {
  webSearchQueries: ['reference picture'],
  groundingChunks: [
    { web: { uri: 'https://vertexaisearch.cloud.google.com/grounding-api-redirect/example', title: 'example.com' } },
  ],
  searchEntryPoint: { renderedContent: '<div class="container">reference picture</div>' },
};
