/** The routes of the Gemini API, each with the path it answers and the file that answers it. */

import type { IncomingMessage } from 'node:http';
import { isBearer } from '../http/credential.ts';
import type { Mode } from '../mode.ts';
import { CHAT } from '../modes/chat.ts';
import { GEMINI } from '../modes/gemini.ts';
import { IMAGE_EDITS } from '../modes/openai-edits.ts';
import { IMAGE_GENERATIONS } from '../modes/openai-images.ts';
import { OPENROUTER_IMAGES } from '../modes/openrouter-images.ts';
import { VERTEX } from '../modes/vertex.ts';
import { cancelBatch, deleteBatch, getBatch, listBatches } from './batches/batches.ts';
import { createBatch } from './batches/create.ts';
import { cancelJob, createJob, deleteJob, getJob, listJobs } from './batches/jobs.ts';
import type { Call } from './call.ts';
import { exposed } from './exposed.ts';
import { deleteFile, downloadFile, getFile, listFiles } from './files/files.ts';
import { continueUpload, startUpload } from './files/upload.ts';
import { imageRoute } from './generate-content.ts';
import { getKey } from './key.ts';
import { getModel, listModels } from './models.ts';
import type { RouteName } from './names.ts';
import {
  getOpenAiModel,
  getPublisherModel,
  listImageEndpoints,
  listOpenAiModels,
  listOpenRouterModels,
} from './other-models.ts';
import { createToken } from './token.ts';
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  jwks,
  listWebhooks,
  pingWebhook,
  rotateSecret,
  updateWebhook,
} from './webhooks/webhooks.ts';

type Handler = (call: Call) => Promise<void>;
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
type Route = {
  name: RouteName;
  mode?: Mode;
  methods: readonly Method[];
  path: RegExp;
  query?: string;
  /** Only of calls that carry a token. */
  bearer?: boolean;
  handle: Handler;
};

const VERSION = '(?<version>v1|v1beta|v1alpha)';
const MODEL = 'models/(?<model>[^/:]+)';
const BATCH = 'batches/(?<batch>[a-z0-9-]+)';
const WEBHOOK = 'webhooks/(?<webhook>[a-z0-9-]+)';
const FILE = 'files/(?<file>[a-z0-9-]+)';

const PLACE = '(?<version>v1|v1beta1)/projects/(?<project>[\\w.:-]+)/locations/(?<location>[a-z0-9-]+)';
const CLOUD = `${PLACE}/publishers/google`;
const JOB = 'batchPredictionJobs/(?<batch>[0-9]+)';

const PUBLISHER = '(?<version>v1|v1beta1)/publishers/google';

const at = (path: string) => new RegExp(`^${path}$`);
const route = (method: Method, path: string, name: RouteName, handle: Handler, mode?: Mode): Route => ({
  name,
  ...(mode && { mode }),
  methods: [method],
  path: at(path),
  handle,
});

const generateContent = imageRoute(GEMINI);

const ROUTES: readonly Route[] = [
  // Decide for themselves when a fault strikes: it depends on what was charged.
  route('POST', `/${VERSION}/${MODEL}:generateContent`, 'generate_content', generateContent),
  route('POST', `/${VERSION}/${MODEL}:streamGenerateContent`, 'stream_generate_content', generateContent),
  route('POST', `/${VERSION}/${MODEL}:batchGenerateContent`, 'create_batch', createBatch),
  { ...route('GET', '/v1/models', 'list_models', exposed(listOpenAiModels), 'openai'), bearer: true },
  { ...route('GET', `/(?<version>v1)/${MODEL}`, 'get_model', exposed(getOpenAiModel), 'openai'), bearer: true },
  route('GET', `/${VERSION}/models`, 'list_models', exposed(listModels)),
  route('GET', `/${VERSION}/${MODEL}`, 'get_model', exposed(getModel)),
  {
    name: 'upload_chunk',
    methods: ['POST', 'PUT'],
    path: at(`/upload/${VERSION}/files`),
    query: 'upload_id',
    handle: exposed(continueUpload),
  },
  route('POST', `/upload/${VERSION}/files`, 'start_upload', exposed(startUpload)),
  route('GET', `/${VERSION}/files`, 'list_files', exposed(listFiles)),
  route('GET', `/${VERSION}/${FILE}`, 'get_file', exposed(getFile)),
  route('DELETE', `/${VERSION}/${FILE}`, 'delete_file', exposed(deleteFile)),
  route('GET', `/(?:download/)?${VERSION}/${FILE}:download`, 'download_file', exposed(downloadFile)),
  route('GET', `/${VERSION}/batches`, 'list_batches', exposed(listBatches)),
  route('GET', `/${VERSION}/${BATCH}`, 'get_batch', exposed(getBatch)),
  route('POST', `/${VERSION}/${BATCH}:cancel`, 'cancel_batch', exposed(cancelBatch)),
  route('DELETE', `/${VERSION}/${BATCH}`, 'delete_batch', exposed(deleteBatch)),
  route('POST', `/${VERSION}/${BATCH}:delete`, 'delete_batch', exposed(deleteBatch)),
  // As the documentation has it, beside what the SDK does.
  route('DELETE', `/${VERSION}/${BATCH}:delete`, 'delete_batch', exposed(deleteBatch)),
  route('POST', `/${VERSION}/webhooks`, 'create_webhook', exposed(createWebhook)),
  route('GET', `/${VERSION}/webhooks`, 'list_webhooks', exposed(listWebhooks)),
  route('GET', `/${VERSION}/${WEBHOOK}`, 'get_webhook', exposed(getWebhook)),
  route('PATCH', `/${VERSION}/${WEBHOOK}`, 'update_webhook', exposed(updateWebhook)),
  route('DELETE', `/${VERSION}/${WEBHOOK}`, 'delete_webhook', exposed(deleteWebhook)),
  route('POST', `/${VERSION}/${WEBHOOK}:ping`, 'ping_webhook', exposed(pingWebhook)),
  route('POST', `/${VERSION}/${WEBHOOK}:rotateSigningSecret`, 'rotate_secret', exposed(rotateSecret)),
  route('POST', '/token', 'create_token', exposed(createToken), 'vertex'),
  route('POST', `/${PLACE}/batchPredictionJobs`, 'create_batch', createJob, 'vertex'),
  route('GET', `/${PLACE}/batchPredictionJobs`, 'list_batches', exposed(listJobs), 'vertex'),
  route('GET', `/${PLACE}/${JOB}`, 'get_batch', exposed(getJob), 'vertex'),
  route('POST', `/${PLACE}/${JOB}:cancel`, 'cancel_batch', exposed(cancelJob), 'vertex'),
  route('DELETE', `/${PLACE}/${JOB}`, 'delete_batch', exposed(deleteJob), 'vertex'),
  route('POST', `/${CLOUD}/${MODEL}:generateContent`, 'generate_content', imageRoute(VERTEX), 'vertex'),
  route('POST', '/api/v1/chat/completions', 'chat_completions', imageRoute(CHAT), 'openrouter'),
  route('POST', '/v1/chat/completions', 'chat_completions', imageRoute(CHAT), 'relay'),
  route('POST', '/v1/images/generations', 'image_generations', imageRoute(IMAGE_GENERATIONS), 'openai'),
  route(
    'POST',
    `/${VERSION}/openai/images/generations`,
    'image_generations',
    imageRoute(IMAGE_GENERATIONS),
    'compatible',
  ),
  route('GET', `/${CLOUD}/${MODEL}`, 'get_model', exposed(getPublisherModel), 'vertex'),
  // Models that are no one's in particular are described without a project, and the SDK asks so.
  route('GET', `/${PUBLISHER}/${MODEL}`, 'get_model', exposed(getPublisherModel), 'vertex'),
  route('POST', '/api/v1/images', 'create_images', imageRoute(OPENROUTER_IMAGES), 'openrouter'),
  route('GET', '/api/v1/key', 'get_key', exposed(getKey), 'openrouter'),
  route('GET', '/api/v1/models', 'list_models', exposed(listOpenRouterModels), 'openrouter'),
  route(
    'GET',
    '/api/v1/images/models/(?<model>[^/]+/[^/]+)/endpoints',
    'list_image_endpoints',
    exposed(listImageEndpoints),
    'openrouter',
  ),
  route('POST', '/v1/images/edits', 'image_edits', imageRoute(IMAGE_EDITS), 'openai'),
  route('GET', `/${VERSION}/openai/models`, 'list_models', exposed(listOpenAiModels), 'compatible'),
  route(
    'GET',
    `/${VERSION}/openai/models/(?:models/)?(?<model>[^/:]+)`,
    'get_model',
    exposed(getOpenAiModel),
    'compatible',
  ),
  route('GET', '/\\.well-known/jwks\\.json', 'jwks', exposed(jwks)),
];

// An upload's address is its own key, a token is what is still to be had, and the others are for everybody.
const KEYLESS: ReadonlySet<RouteName> = new Set(['upload_chunk', 'create_token', 'jwks', 'list_image_endpoints']);

const isKeyless = (name: RouteName, mode: Mode) =>
  KEYLESS.has(name) || (mode === 'openrouter' && name === 'list_models');

/** What a relay copies of Gemini's own routes: it has neither files nor batches. */
const COPIED: ReadonlySet<RouteName> = new Set([
  'generate_content',
  'stream_generate_content',
  'list_models',
  'get_model',
  'chat_completions',
]);

export type Found = {
  name: RouteName;
  mode: Mode;
  handle: Handler | undefined;
  params: Record<string, string | undefined>;
  keyless: boolean;
};

/** The route of a request, with the named parts of its path. */
export function findRoute({ method, headers }: IncomingMessage, url: URL): Found {
  // A Gemini by Bearer is somebody's relay.
  const asGemini = isBearer(headers.authorization) ? 'relay' : 'gemini';
  for (const { name, mode = asGemini, methods, path, query, bearer, handle } of ROUTES) {
    if (bearer && asGemini === 'gemini') continue;
    if (!methods.some((known) => known === method) || (query && !url.searchParams.has(query))) continue;
    const match = path.exec(url.pathname);
    if (!match) continue;
    const served = mode !== 'relay' || COPIED.has(name) || KEYLESS.has(name);
    return {
      name,
      mode,
      handle: served ? handle : undefined,
      params: { ...match.groups },
      keyless: isKeyless(name, mode),
    };
  }
  return { name: 'unknown', mode: asGemini, handle: undefined, params: {}, keyless: false };
}
