/** Lists of models as OpenAI, OpenRouter and Vertex write them. */
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import { findModel, GPT_IMAGE, MODELS, type Model } from '../models.ts';
import { relayed } from '../modes/gemini.ts';
import { openRouterId, openRouterModel } from '../modes/openrouter-models.ts';
import { vertexModel } from '../modes/vertex.ts';
import { answerJson, type Call } from './call.ts';

/** 2026-01-01: every model was there from then on. */
const CREATED = 1_767_225_600;

/** All models, in OpenAI's words; Google's compatible endpoint has its own names for its own. */
export async function listOpenAiModels(call: Call): Promise<void> {
  const all = call.mode === 'compatible' ? MODELS : [...MODELS, GPT_IMAGE];
  await answerJson(call, { object: 'list', data: all.map((model) => toOpenAi(model, call)) });
}

/** One model, in OpenAI's words. @throws GoogleError 404 when there is none. */
export async function getOpenAiModel(call: Call): Promise<void> {
  const id = call.params['model'] ?? '';
  const model = id === GPT_IMAGE.id ? GPT_IMAGE : call.mode === 'compatible' ? findModel(id) : relayed(id);
  call.world.journal.update(call.entry, { model: id });
  if (!model) throw new GoogleError(modelNotFound(id, call.entry.version));
  await answerJson(call, toOpenAi(model, call));
}

function toOpenAi({ id }: Model, { mode }: Call): Record<string, unknown> {
  return {
    id: mode === 'compatible' ? `models/${id}` : id,
    object: 'model',
    created: CREATED,
    owned_by: id === GPT_IMAGE.id ? 'openai' : 'google',
  };
}

/** All models, as OpenRouter lists them; prices in dollars for a token. */
export async function listOpenRouterModels(call: Call): Promise<void> {
  await answerJson(call, { data: MODELS.map(toOpenRouter) });
}

/** Who serves a model's images, and what it takes. @throws GoogleError 404 when there is none. */
export async function listImageEndpoints(call: Call): Promise<void> {
  const id = call.params['model'] ?? '';
  const model = openRouterModel(id);
  if (!model) throw new GoogleError({ ...modelNotFound(id, ''), about: 'path', message: 'Model not found' });
  const endpoint = {
    name: `Google AI Studio | ${id}`,
    provider_name: 'Google AI Studio',
    pricing: pricingOf(model),
    status: 0,
    supported_aspect_ratios: Object.keys(model.pixels),
    supported_resolutions: Object.keys(model.imageTokens),
    max_input_references: model.referencesMax,
  };
  await answerJson(call, { data: { id, name: model.displayName, endpoints: [endpoint] } });
}

function toOpenRouter(model: Model): Record<string, unknown> {
  return {
    id: openRouterId(model),
    canonical_slug: openRouterId(model),
    name: `Google: ${model.displayName}`,
    created: CREATED,
    context_length: model.inputTokenLimit,
    architecture: {
      modality: 'text+image->text+image',
      input_modalities: ['image', 'text'],
      output_modalities: ['image', 'text'],
    },
    pricing: pricingOf(model),
    top_provider: {
      context_length: model.inputTokenLimit,
      max_completion_tokens: model.outputTokenLimit,
      is_moderated: false,
    },
    supported_parameters: ['seed', 'modalities', 'image_config'],
  };
}

function pricingOf({ rates: { input, text, image } }: Model): Record<string, string> {
  const dollars = (micros: number) => (micros / 1_000_000).toFixed(9).replace(/\.?0+$/, '');
  return { prompt: dollars(input), completion: dollars(text), image_output: dollars(image) };
}

/** One publisher's model, as Vertex describes it. @throws GoogleError 404 when there is none. */
export async function getPublisherModel(call: Call): Promise<void> {
  const { id } = vertexModel(call);
  await answerJson(call, {
    name: `publishers/google/models/${id}`,
    versionId: 'default',
    openSourceCategory: 'PROPRIETARY',
    launchStage: 'GA',
    publisherModelTemplate: `projects/{user-project}/locations/{location}/publishers/google/models/${id}@default`,
  });
}
