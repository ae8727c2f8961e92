/** Lists and describes the models. */
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import { findModel, MODELS, type Model } from '../models.ts';
import { answerJson, type Call } from './call.ts';

const PAGE = 50;
const PAGE_MAX = 1000;

/** All models, a page at a time; the page token is the index to go on from. */
export async function listModels(call: Call): Promise<void> {
  const { searchParams } = call.url;
  const start = Number(searchParams.get('pageToken') ?? 0) || 0;
  const size = Math.min(PAGE_MAX, Math.max(1, Number(searchParams.get('pageSize') ?? PAGE) || PAGE));
  const models = MODELS.slice(start, start + size).map(toView);
  const next = start + size < MODELS.length ? { nextPageToken: String(start + size) } : {};
  await answerJson(call, { models, ...next });
}

/** One model. @throws GoogleError 404 when it does not exist (any more). */
export async function getModel(call: Call): Promise<void> {
  const id = call.params['model'] ?? '';
  const model = findModel(id);
  if (!model) throw new GoogleError(modelNotFound(id, call.entry.version));
  await answerJson(call, toView(model));
}

function toView(model: Model): Record<string, unknown> {
  return {
    name: `models/${model.id}`,
    version: '001',
    displayName: model.displayName,
    description: `${model.displayName}, emulated`,
    inputTokenLimit: model.inputTokenLimit,
    outputTokenLimit: model.outputTokenLimit,
    supportedGenerationMethods: ['generateContent', 'countTokens', 'batchGenerateContent'],
    temperature: 1,
    topP: 0.95,
    topK: 64,
    maxTemperature: 1,
    ...(model.thinking.length > 0 && { thinking: true }),
  };
}
