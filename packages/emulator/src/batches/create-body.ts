/** The body that creates a batch, in either spelling. */
import { z } from 'zod';
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import { GENERATE_CONTENT_FIELDS } from '../request/fields.ts';
import { type Fields, readMessage } from '../request/message.ts';

const string = { type: 'string' } as const;
const any = { type: 'any' } as const;
const message = (fields: Fields) => ({ type: 'message', fields }) as const;

const inlined = message({ request: message(GENERATE_CONTENT_FIELDS), metadata: any });
const FIELDS: Fields = {
  batch: message({
    name: string,
    model: string,
    displayName: string,
    priority: any,
    inputConfig: message({
      fileName: string,
      requests: message({ requests: { type: 'repeated', of: inlined } }),
    }),
    webhookConfig: message({ uris: { type: 'repeated', of: string }, userMetadata: any }),
  }),
};

const Inlined = z.object({ request: z.unknown().optional(), metadata: z.unknown().optional() });
const WebhookConfig = z.object({
  uris: z.array(z.string()).default([]),
  userMetadata: z.record(z.string(), z.unknown()).optional(),
});
export type WebhookConfig = z.infer<typeof WebhookConfig>;

const Body = z.object({
  batch: z.object({
    displayName: z.string().default(''),
    priority: z
      .union([z.number().int(), z.string().regex(/^-?\d{1,18}$/)])
      .transform(String)
      .optional(),
    inputConfig: z
      .object({
        fileName: z.string().optional(),
        requests: z.object({ requests: z.array(Inlined).default([]) }).optional(),
      })
      .default({}),
    webhookConfig: WebhookConfig.optional(),
  }),
});

export type Inlined = z.infer<typeof Inlined>;
export type CreateBody = {
  displayName: string;
  priority: string | undefined;
  webhookConfig: WebhookConfig | undefined;
  /** The id of a file, or the requests themselves. */
  input: { file: string } | { requests: Inlined[] };
};

/** @throws GoogleError 400 for what is unknown, wrong, or missing */
export function readCreateBody(json: unknown): CreateBody {
  const parsed = Body.safeParse(readMessage(json, FIELDS));
  if (!parsed.success) throw new GoogleError(invalidArgument(`Invalid batch: ${z.prettifyError(parsed.error)}`));
  const { displayName, priority, webhookConfig, inputConfig } = parsed.data.batch;
  const { fileName, requests } = inputConfig;
  if ((fileName === undefined) === (requests === undefined)) throw new GoogleError(ONE_INPUT);
  const file = /^files\/([a-z0-9-]+)$/.exec(fileName ?? '')?.[1];
  if (fileName !== undefined && file === undefined) throw new GoogleError(BAD_FILE_NAME);
  const input = file === undefined ? { requests: requests?.requests ?? [] } : { file };
  return { displayName, priority, webhookConfig, input };
}

const ONE_INPUT = invalidArgument(
  '* BatchGenerateContentRequest.batch.input_config: exactly one of file_name and requests must be set.\n',
);
const BAD_FILE_NAME = invalidArgument(
  '* BatchGenerateContentRequest.batch.input_config.file_name: must be files/{file}.\n',
);
