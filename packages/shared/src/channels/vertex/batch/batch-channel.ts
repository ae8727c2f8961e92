/**
 * Batches by Vertex AI: batch prediction jobs, whose input and output lie in the user's own bucket.
 *
 * Nothing there ends by itself after two days: what was collected is removed. A line is that of the Gemini API, whose key
 * Vertex gives back as it came.
 */

import type { BatchChannel, Done } from '../../../ports/batch-channel.ts';
import { createApi } from '../../gemini/batch/api.ts';
import { createBatches, type Dialect } from '../../gemini/batch/batches.ts';
import { formatLine } from '../../gemini/batch/input-line.ts';
import { LINE_BYTES, readLines } from '../../gemini/batch/read-lines.ts';
import { createDispatcher } from '../../http/dispatcher.ts';
import { providerModelOf } from '../../http/served.ts';
import type { VertexChannelOptions } from '../channel.ts';
import { createAuthorizer } from '../credentials.ts';
import { publisherPath, vertexBaseUrl } from '../endpoint.ts';
import { type OpenBucket, type Place, placeOf } from './bucket.ts';
import { createFiles } from './files.ts';
import { jobPath, toRemoteBatch } from './job.ts';
import { toKeyedAnswer } from './result-line.ts';

const VERSION = 'v1beta1';
const MINUTE_MS = 60_000;

export type VertexBatchChannelOptions = VertexChannelOptions & {
  /** `gs://bucket/prefix`: all input and output lies below it. */
  bucket: string;
  openBucket: OpenBucket;
  /** For one call of the API, the creation of a batch included. Default 60 s. */
  callTimeoutMs?: number;
  /** A longer line of a result file is unreadable. */
  lineBytes?: number;
};

/** The batches of one project. Opens no connection before the first call. @throws TypeError for a service account, or a bucket, that is none */
export function createVertexBatchChannel(options: VertexBatchChannelOptions): BatchChannel & AsyncDisposable {
  const { id, credentials, project, location = 'global', models, clock, connect } = options;
  const { baseUrl = vertexBaseUrl(location), callTimeoutMs = MINUTE_MS, lineBytes = LINE_BYTES } = options;
  const dispatcher = createDispatcher(connect);
  const authorizer = createAuthorizer(credentials, clock);
  const place = placeOf(options.bucket);
  const api = createApi({
    authorize: (signal) => authorizer.authorize(signal),
    refused: (given) => authorizer.refused(given),
    baseUrl,
    apiVersion: VERSION,
    dispatcher,
    timeoutMs: callTimeoutMs,
  });
  // The machine's own credentials are those of its bucket as well.
  const token = async () => {
    const { authorization = '' } = await authorizer.authorize(AbortSignal.timeout(callTimeoutMs));
    return authorization.replace('Bearer ', '');
  };
  const bucket = options.openBucket(place.bucket, credentials.type === 'adc' ? undefined : token);
  const parent = `projects/${project}/locations/${location}`;
  const batches = createBatches(
    api,
    dialectOf(parent, place, (model) => providerModelOf(models, model)),
  );
  return {
    id,
    takesUris: true,
    formatLine,
    ...createFiles(bucket, place, (signal) => authorizer.authorize(signal)),
    ...batches,
    create: async (batch, signal) => ofTheAccount(await batches.create(batch, signal)),
    readLines: (file, blob) => readLines(file, { blob, lineBytes, toKeyedAnswer }),
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

/** Who reads input from a bucket, and writes output to it. */
const AGENT = /\bservice agents?\b/i;

/**
 * The file that a job is made of is ours and lies in the account's own bucket: that it may not be read is a matter of the
 * account, as a refused key is, and of no job in it. So the chunk waits, or goes to another account.
 */
function ofTheAccount<T extends object>(done: Done<T>): Done<T> {
  if (done.type !== 'rejected' || done.verdict.code !== 'upstream_rejected') return done;
  const { http, message = '' } = done.verdict;
  if (http !== 403 && !AGENT.test(message)) return done;
  const { ofInput: _, ...verdict } = done.verdict;
  return { ...done, verdict: { ...verdict, code: 'upstream_auth', channelDown: true } };
}

function dialectOf(parent: string, { bucket, prefix }: Place, nameOf: (model: string) => string): Dialect {
  const output = ['gs:/', bucket, prefix, 'output'].filter((part) => part !== '').join('/');
  return {
    path: `${parent}/batchPredictionJobs`,
    entries: 'batchPredictionJobs',
    pathOf: (name) => `${parent}/${jobPath(name)}`,
    creation: ({ model, fileName, displayName }) => ({
      path: `${parent}/batchPredictionJobs`,
      body: {
        displayName,
        model: publisherPath(nameOf(model)),
        inputConfig: { instancesFormat: 'jsonl', gcsSource: { uris: [fileName] } },
        outputConfig: { predictionsFormat: 'jsonl', gcsDestination: { outputUriPrefix: output } },
      },
    }),
    toRemoteBatch,
  };
}
