import { isUtf8 } from 'node:buffer';
import { AppError } from '@darkroom/shared/domain';
import { inThisSpan } from '@darkroom/shared/observability';
import { assertBounded } from '@darkroom/shared/schemas';
import type { NextFunction } from 'express';
import express, { type Request, type RequestHandler } from 'express';
import { bodyTooLarge } from './problem.ts';

/** Longer bodies carry images, and are worth a reader that stops early. */
const PLAIN_BYTES_MAX = 65_536;

/** A JSON body, bounded in bytes, depth and width before anything walks it. */
export function jsonBody(limitMb: number): RequestHandler[] {
  const requireJson: RequestHandler = (req, _res, next) => {
    if (!isPlain(req) && !req.is('application/json')) {
      throw new AppError('unsupported_content_type', {
        message: 'The body must be JSON.',
        param: 'Content-Type',
        fix: 'Send `Content-Type: application/json`.',
      });
    }
    next();
  };
  const bounded: RequestHandler = (req, _res, next) => {
    if (typeof req.body !== 'object' || req.body === null || Array.isArray(req.body)) {
      throw new AppError('invalid_request', {
        message: 'The body must be a JSON object.',
        fix: 'Send one object, such as {"prompt":"a red mug"}.',
      });
    }
    assertBounded(req.body);
    next();
  };
  const whole = express.json({ limit: `${limitMb}mb`, strict: false, verify: assertUtf8 });
  const parse: RequestHandler = (req, res, next) => (isPlain(req) ? readPlain(req, next) : whole(req, res, next));
  return [requireJson, parse, bounded];
}

/** Small, of a known length and not encoded: nearly every body. */
function isPlain({ headers }: Request): boolean {
  const type = headers['content-type'];
  const length = Number(headers['content-length']);
  return (
    length > 0 &&
    length <= PLAIN_BYTES_MAX &&
    headers['content-encoding'] === undefined &&
    (type === 'application/json' || type === 'application/json; charset=utf-8')
  );
}

/** What `express.json` does for a plain body, at a fifth of the cost: it has no stream to decode and no limit to watch. */
function readPlain(req: Request, next: NextFunction): void {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('error', (cause) => next(Object.assign(new Error('the body broke off', { cause }), { status: 400 })));
  const ended = () => {
    try {
      req.body = parsePlain(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
      next();
    } catch (error) {
      next(error);
    }
  };
  req.on('end', inThisSpan(ended));
}

function parsePlain(bytes: Buffer): unknown {
  assertUtf8(undefined, undefined, bytes, 'utf-8');
  const text = bytes.toString('utf8');
  const body = text.startsWith('\ufeff') ? text.slice(1) : text;
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    // As `express.json` says it.
    throw Object.assign(new SyntaxError('not JSON', { cause }), { type: 'entity.parse.failed', body });
  }
}

/** The decoder would put U+FFFD for every wrong byte, and so make a picture of a prompt nobody wrote. */
function assertUtf8(_req: unknown, _res: unknown, bytes: Buffer, encoding: string): void {
  if (encoding !== 'utf-8' || isUtf8(bytes)) return;
  throw new AppError('invalid_request', { message: 'The body is not valid UTF-8.', fix: 'Encode the JSON as UTF-8.' });
}

/**
 * The raw body, as long as it has at most `maxBytes`.
 *
 * One that is larger is refused by its Content-Length before a byte is read. One that does not say is read no further
 * than the limit, yet left open: a destroyed request takes its socket along, and the caller would never see why.
 */
export async function readBody(req: Request, maxBytes: number): Promise<Buffer> {
  const declared = Number(req.get('content-length') ?? 0);
  if (declared > maxBytes) throw imageTooLarge(maxBytes, declared);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw imageTooLarge(maxBytes);
    chunks.push(chunk);
  }
  if (size === 0)
    throw new AppError('invalid_request', { message: 'The body is empty.', fix: 'Send the image bytes.' });
  return Buffer.concat(chunks);
}

function imageTooLarge(limit: number, length?: number): AppError {
  return new AppError('payload_too_large', {
    message: bodyTooLarge({ limit, length }).message,
    fix: 'Send a smaller image: fewer pixels, or as JPEG or WebP.',
  });
}

/** The `Idempotency-Key` header: 1 to 255 printable ASCII characters. */
export function idempotencyKeyOf(req: Request): string | undefined {
  const key = req.get('idempotency-key');
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw new AppError('invalid_request', {
    message: 'Idempotency-Key must be 1 to 255 printable ASCII characters, without spaces.',
    param: 'Idempotency-Key',
    fix: 'Send a UUID, or another name of this one submission.',
  });
}

/** Seconds for which an answer may be held back. */
export const WAIT_MAX = 60;

/** Of `Prefer: wait=30`; 0 without it. Being a preference, it is cut to what is possible. */
export function preferredWaitMs(req: Request): number {
  const seconds = /(?:^|[,;\s])wait *= *"?(\d{1,9})"?(?:$|[,;\s])/i.exec(req.headers['prefer']?.toString() ?? '')?.[1];
  return Math.min(Number(seconds ?? 0), WAIT_MAX) * 1_000;
}
