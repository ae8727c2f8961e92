/** The body that creates a batch prediction job, in either spelling. */
import { z } from 'zod';
import { GoogleError, invalidArgument } from '../../http/google-error.ts';
import { type Fields, readMessage } from '../../request/message.ts';
import { type ObjectName, parseGsUri } from './bucket.ts';

const string = { type: 'string' } as const;
const any = { type: 'any' } as const;
const message = (fields: Fields) => ({ type: 'message', fields }) as const;

const FIELDS: Fields = {
  name: string,
  displayName: string,
  model: string,
  inputConfig: message({
    instancesFormat: string,
    gcsSource: message({ uris: { type: 'repeated', of: string } }),
    bigquerySource: any,
  }),
  outputConfig: message({
    predictionsFormat: string,
    gcsDestination: message({ outputUriPrefix: string }),
    bigqueryDestination: any,
  }),
  labels: any,
  serviceAccount: string,
  encryptionSpec: any,
};

const Body = z.object({
  displayName: z.string().max(128).default(''),
  model: z.string(),
  inputConfig: z.object({
    instancesFormat: z.literal('jsonl', { error: 'the emulator reads jsonl alone' }),
    gcsSource: z.object({ uris: z.array(z.string()).min(1).max(100) }),
  }),
  outputConfig: z.object({
    predictionsFormat: z.literal('jsonl', { error: 'the emulator writes jsonl alone' }),
    gcsDestination: z.object({ outputUriPrefix: z.string() }),
  }),
  labels: z.record(z.string(), z.string()).optional(),
});

export type JobBody = z.infer<typeof Body> & { inputs: ObjectName[]; output: ObjectName };

/** @throws GoogleError 400 for what is unknown, wrong, or missing */
export function readJobBody(json: unknown): JobBody {
  const parsed = Body.safeParse(readMessage(json, FIELDS));
  if (!parsed.success) throw new GoogleError(invalidArgument(z.prettifyError(parsed.error)));
  const { inputConfig, outputConfig } = parsed.data;
  const inputs = inputConfig.gcsSource.uris.map((uri) => nameOf(uri, 'input_config.gcs_source.uris'));
  const output = nameOf(outputConfig.gcsDestination.outputUriPrefix, 'output_config.gcs_destination.output_uri_prefix');
  return { ...parsed.data, inputs, output };
}

/** The id in the name of a publisher's model, as a job names it. */
export function modelIdOf(model: string): string {
  return /(?:^|\/)publishers\/google\/models\/([^/]+)$/.exec(model)?.[1] ?? model;
}

function nameOf(uri: string, field: string): ObjectName {
  const name = parseGsUri(uri);
  if (!name) throw new GoogleError(invalidArgument(`${field}: "${uri.slice(0, 200)}" is not a gs:// address.`));
  return name;
}
