/**
 * Batches by the Gemini API, reached with a key.
 *
 * The official SDK is not used here: it drops the error and the counts of a failed batch, cannot stream a download, and
 * ends the process when one breaks off. A line's request is built by the SDK's types, as the standard lane's is.
 */

import type { BatchChannel } from '../../../ports/batch-channel.ts';
import { createDispatcher } from '../../http/dispatcher.ts';
import { providerModelOf, type ServedModels } from '../../http/served.ts';
import { GEMINI_BASE_URL, type GeminiChannelOptions } from '../channel.ts';
import { createApi } from './api.ts';
import { createBatches } from './batches.ts';
import { geminiDialect } from './dialect.ts';
import { download } from './download.ts';
import { formatLine } from './input-line.ts';
import { LINE_BYTES, readLines } from './read-lines.ts';
import { toKeyedAnswer } from './result-line.ts';
import { deleteFile } from './stored-file.ts';
import { uploadFile } from './upload.ts';

export type GeminiBatchChannelOptions = Pick<GeminiChannelOptions, 'apiKey' | 'baseUrl' | 'apiVersion' | 'connect'> & {
  /** Default `gemini`. */
  id?: string;
  /** Default `api_key`. */
  auth?: 'api_key' | 'bearer';
  /** Absent = every model of the catalogue, by its own id. */
  models?: ServedModels;
  /** For one call of the API, the creation of a batch included. Default 60 s. */
  callTimeoutMs?: number;
  /** A download may be silent for so long. Default 60 s. */
  idleTimeoutMs?: number;
  /** A longer line of a result file is unreadable. Default 40 MB. */
  lineBytes?: number;
};

const MINUTE_MS = 60_000;

/** The batches of one account. Opens no connection before the first call; disposing ends its connections. */
export function createGeminiBatchChannel(options: GeminiBatchChannelOptions): BatchChannel & AsyncDisposable {
  const { id = 'gemini', auth, apiKey, baseUrl = GEMINI_BASE_URL, apiVersion, models, connect } = options;
  const { callTimeoutMs = MINUTE_MS, idleTimeoutMs = MINUTE_MS, lineBytes = LINE_BYTES } = options;
  const dispatcher = createDispatcher(connect);
  const credentials = auth === 'bearer' ? { authorization: `Bearer ${apiKey}` } : { 'x-goog-api-key': apiKey };
  const api = createApi({ authorize: () => credentials, baseUrl, apiVersion, dispatcher, timeoutMs: callTimeoutMs });
  return {
    id,
    takesUris: false,
    formatLine,
    upload: (file, signal) => uploadFile(api, file, signal),
    ...createBatches(
      api,
      geminiDialect((model) => providerModelOf(models, model)),
    ),
    download: (fileName, signal) => download(api, { fileName, idleMs: idleTimeoutMs }, signal),
    readLines: (file, blob) => readLines(file, { blob, lineBytes, toKeyedAnswer }),
    deleteFile: (fileName, signal) => deleteFile(api, fileName, signal),
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}
