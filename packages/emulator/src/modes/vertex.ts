/** Vertex: Gemini in Google's cloud, by project, place and token. */
import { encodeJson } from '../answer/json.ts';
import { type Presented, toResponse } from '../answer/present.ts';
import { readJson } from '../http/body.ts';
import { GoogleError, type Refusal } from '../http/google-error.ts';
import { findModel, type Model } from '../models.ts';
import { settingsOf } from '../projects.ts';
import { VERTEX_FIELDS } from '../request/fields.ts';
import { promptOf, Wire } from '../request/wire.ts';
import type { Body, Call } from '../routes/call.ts';
import type { Asked, Dialect, Job } from '../routes/generate-content.ts';
import { checkObjects } from './gcs.ts';

// Signatures are given and not asked for.
export const VERTEX: Dialect = { read, write };

async function read(call: Call): Promise<Asked> {
  const { world, entry } = call;
  const id = call.params['model'] ?? '';
  world.journal.update(entry, { model: id });
  const json = await readJson(call.request);
  world.journal.update(entry, { prompt: promptOf(json) });
  const model = vertexModel(call);
  const { gcs_endpoint: endpoint } = settingsOf(world.settings, call.project).vertex;
  if (endpoint !== undefined) await checkObjects(json, endpoint, world.closing);
  return { model: { ...model, mime: mimeOf(json) ?? model.mime }, json, fields: VERTEX_FIELDS, strict: false };
}

function mimeOf(json: unknown): Model['mime'] | undefined {
  const wire = Wire.safeParse(json);
  const mime = wire.data?.generationConfig.imageConfig?.imageOutputOptions?.mimeType;
  return mime === 'image/png' || mime === 'image/jpeg' ? mime : undefined;
}

/** The model a call is for. @throws GoogleError 404 in Vertex's words. */
export function vertexModel(call: Call): Model {
  return modelOf(call, call.params['model'] ?? '');
}

/** A model of the project that a call is about. @throws GoogleError 404 in Vertex's words. */
export function modelOf({ params }: Call, id: string): Model {
  const model = findModel(id);
  if (!model) throw new GoogleError(publisherModelNotFound(resourceOf({ ...params, model: id })));
  return model;
}

/** The full name of the model that a path is about. */
export function resourceOf({ project = '-', location = 'global', model = '' }: Call['params']): string {
  return `projects/${project}/locations/${location}/publishers/google/models/${model}`;
}

function publisherModelNotFound(resource: string): Refusal {
  return {
    http: 404,
    status: 'NOT_FOUND',
    about: 'model',
    message:
      `Publisher Model \`${resource}\` was not found or your project does not have access to it. Please ensure you are ` +
      'using a valid model version. For more information, see: ' +
      'https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions',
  };
}

function write({ call }: Job, presented: Presented): Body {
  return { source: encodeJson(toResponse({ ...presented, cloudAt: call.entry.at })) };
}
