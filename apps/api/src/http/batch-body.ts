/** The body of `POST /v1/batches` in each of its three forms, as rows that come while it arrives. */

import { createHash, type Hash } from 'node:crypto';
import { AppError, shortDigest, type Tenant } from '@darkroom/shared/domain';
import { createUtf8Check } from '@darkroom/shared/ingest';
import type { Templates } from '@darkroom/shared/ports';
import { assertBounded, BatchOptions, batchQuery, DEFAULT_FIELDS, ITEMS_MAX, parse } from '@darkroom/shared/schemas';
import {
  type BatchSubmission,
  createCsvReader,
  createNdjsonReader,
  findTemplate,
  fromItem,
  type IncomingRow,
  type RowReader,
} from '@darkroom/shared/usecases';
import type { Request } from 'express';
import { type Pace, slowBody } from './slow-body.ts';

/**
 * Looked at in one go. What is in hand when young garbage is collected grows old, and old garbage waits long: with whole
 * chunks of 64 kB an eighth of everything did, and the process grew by half.
 */
const STEP_BYTES = 8_192;

export type BatchBody = Pick<BatchSubmission, 'options' | 'defaults' | 'rows'> & {
  /** Over the raw bytes and the options, once the rows have come to their end. */
  bodyHash: () => string;
};

export type BatchBodyOptions = { tenant: Tenant; templates: Templates; jsonBytesMax: number; pace: Pace };

/** @throws AppError `invalid_request` for options that are not valid, `unsupported_content_type` */
export async function openBatchBody(req: Request, how: BatchBodyOptions): Promise<BatchBody> {
  if (req.headers['content-encoding'] && req.headers['content-encoding'] !== 'identity') throw encoded();
  const asked = batchQuery(req.query);
  assertBounded(asked);
  const hash = createHash('sha256').update(shortDigest(asked)).update('\n');
  let digest: string | undefined;
  const bodyHash = () => (digest ??= hash.digest('base64url').slice(0, 22));
  const chunks = checked(req, how.pace, hash);
  switch (req.is(['application/json', 'application/x-ndjson', 'text/csv'])) {
    case 'application/json':
      return { ...(await fromJson(chunks, asked, how.jsonBytesMax)), bodyHash };
    case 'application/x-ndjson': {
      const options = parse(BatchOptions, asked);
      return { ...common(options, asked), rows: rowsOf(chunks, createNdjsonReader(options)), bodyHash };
    }
    case 'text/csv': {
      const options = parse(BatchOptions, asked);
      const template = options.template ? await findTemplate(how.templates, how.tenant, options.template) : undefined;
      return { ...common(options, asked), rows: rowsOf(chunks, createCsvReader(options, template)), bodyHash };
    }
    default:
      throw unknownType();
  }
}

/** @param asked as the caller wrote it: a row's defaults go through the same schema as its own fields */
function common(options: BatchOptions, asked: Record<string, unknown>) {
  const defaults = Object.fromEntries(Object.entries(asked).filter(([name]) => DEFAULT_FIELDS.includes(name)));
  return { options, defaults };
}

async function* rowsOf(chunks: AsyncIterable<Buffer>, reader: RowReader): AsyncGenerator<IncomingRow[]> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += STEP_BYTES) {
      const rows = reader.push(chunk.subarray(at, at + STEP_BYTES));
      if (rows.length) yield rows;
    }
  }
  const rows = reader.end();
  if (rows.length) yield rows;
}

/** Every chunk on its way: hashed, and refused where it is not UTF-8. */
async function* checked(req: Request, pace: Pace, hash: Hash): AsyncGenerator<Buffer> {
  const utf8 = createUtf8Check();
  for await (const chunk of slowBody(req, pace)) {
    hash.update(chunk);
    refuseBytes(utf8.push(chunk));
    yield chunk;
  }
  refuseBytes(utf8.end());
}

function refuseBytes(offset: number | undefined): void {
  if (offset === undefined) return;
  throw new AppError('invalid_request', {
    message: `The body is not valid UTF-8, from byte ${offset} on.`,
    param: `byte ${offset}`,
    fix: 'Encode it as UTF-8; programs for tables call that "CSV UTF-8".',
  });
}

async function fromJson(chunks: AsyncIterable<Buffer>, query: Record<string, unknown>, bytesMax: number) {
  const { items, ...fields } = await readJson(chunks, bytesMax);
  const asked = { ...fields, ...query };
  assertBounded(asked);
  const options = parse(BatchOptions, asked);
  if (!Array.isArray(items) || items.length === 0 || items.length > ITEMS_MAX) {
    throw new AppError('invalid_request', {
      message: `items must be an array of 1 to ${ITEMS_MAX} jobs.`,
      param: 'items',
      fix: 'Send more as application/x-ndjson or text/csv: those may be of any length.',
    });
  }
  return { ...common(options, asked), rows: once(items.map((item, n) => fromItem(item, n, options))) };
}

async function* once<T>(value: T): AsyncGenerator<T> {
  yield value;
}

async function readJson(chunks: AsyncIterable<Buffer>, bytesMax: number): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > bytesMax) {
      throw new AppError('payload_too_large', {
        message: `The body is larger than ${bytesMax / 1_048_576} MB.`,
        fix: 'Send it as application/x-ndjson or text/csv: those may be of any length.',
      });
    }
    parts.push(chunk);
  }
  const text = Buffer.concat(parts).toString('utf8');
  const body = parseJson(text.startsWith('\ufeff') ? text.slice(1) : text);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new AppError('invalid_request', { message: 'The body must be a JSON object with items.', param: 'items' });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AppError('invalid_request', {
      message: 'The body is not valid JSON.',
      fix: 'Check for a cut or a stray comma.',
      cause,
    });
  }
}

function unknownType(): AppError {
  return new AppError('unsupported_content_type', {
    message: 'The body must be JSON, NDJSON or CSV.',
    param: 'Content-Type',
    fix: 'Send `Content-Type: application/json`, `application/x-ndjson` or `text/csv`.',
  });
}

function encoded(): AppError {
  return new AppError('unsupported_content_type', {
    message: 'A batch is not taken in an encoded form.',
    param: 'Content-Encoding',
    fix: 'Send it plain.',
  });
}
