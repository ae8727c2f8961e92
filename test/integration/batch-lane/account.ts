/**
 * An account of the provider, in memory: its files, its batches, and a bill.
 *
 * Lines are written and read by the real channel; what is stood in for is the provider behind it, moved on by the test.
 */

import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGeminiBatchChannel } from '@darkroom/shared/channels';
import type { BatchChannel, Done, RemoteBatch } from '@darkroom/shared/ports';

type Rejected = Extract<Done<object>, { type: 'rejected' }>;

/** How the next create call goes; `lost` = its answer is, with or without an effect. */
type CreateManner = 'made' | 'lost' | 'lost_unmade' | Rejected;

type Kept = RemoteBatch & { model: string; createdAt: number };

export type Account = {
  channel: BatchChannel;
  files: Map<string, Buffer>;
  batches: Kept[];
  /** Calls by name, in order. */
  calls: string[];
  /** What the next create calls do; empty = `made`. */
  creates: CreateManner[];
  /** Lists do not show what is younger than this. */
  lagMs: number;
  /** What the next calls of a kind answer before they work again. */
  broken: Partial<Record<'list' | 'download' | 'upload' | 'get', Done<never>[]>>;
  /** The only batch that is under way, or the nth made. */
  batch(n?: number): Kept;
  /** Keys of its input, in order. */
  keys(batch?: Kept): string[];
  /** Ends a batch, with a result file of these lines. */
  end(end: NonNullable<RemoteBatch['end']>, lines?: (string | Buffer)[], batch?: Kept): void;
  /** Batches that were made for real. */
  made: number;
  /** Calls to cancel, in order: `cancel NAME`. */
  cancels(): string[];
};

export function openAccount(clock: { now: () => number }, id = 'gemini'): Account {
  const real = createGeminiBatchChannel({ apiKey: 'unused', baseUrl: 'http://127.0.0.1:9', apiVersion: 'v1beta' });
  const files = new Map<string, Buffer>();
  const batches: Kept[] = [];
  const calls: string[] = [];
  const account: Account = {
    files,
    batches,
    calls,
    creates: [],
    lagMs: 0,
    broken: {},
    made: 0,
    cancels: () => calls.filter((call) => call.startsWith('cancel')),
    batch: (n = batches.length - 1) => {
      const batch = batches[n];
      if (!batch) throw new Error(`the account has no batch ${n}`);
      return batch;
    },
    keys: (batch = account.batch()) => keysOf(files.get(batch.inputFile ?? '')),
    end: (end, lines, batch = account.batch()) => {
      batch.end = end;
      batch.state = `BATCH_STATE_${end.toUpperCase()}`;
      if (!lines) return;
      batch.responsesFile = `files/batch-${batch.name.slice('batches/'.length)}`;
      files.set(batch.responsesFile, toFile(lines));
    },
    channel: {
      id,
      takesUris: false,
      formatLine: (...line) => real.formatLine(...line),
      readLines: (...file) => real.readLines(...file),
      upload: async ({ path, name }) => {
        calls.push('upload');
        const broken = account.broken.upload?.shift();
        if (broken) return broken;
        const fileName = `files/${name}`;
        if (!files.has(fileName)) files.set(fileName, await readFile(path));
        return { type: 'done', fileName };
      },
      create: async ({ model, fileName, displayName }) => {
        calls.push('create');
        const manner = account.creates.shift() ?? 'made';
        if (typeof manner === 'object') return manner;
        if (manner === 'lost_unmade') return { type: 'unknown', reason: 'timeout' };
        account.made++;
        const name = `batches/b${account.made}`;
        const state = 'BATCH_STATE_PENDING';
        batches.push({ name, displayName, model, inputFile: fileName, state, createdAt: clock.now() });
        return manner === 'lost' ? { type: 'unknown', reason: 'timeout' } : { type: 'done', name };
      },
      list: async (since) => {
        calls.push('list');
        const broken = account.broken.list?.shift();
        if (broken) return broken;
        const isOld = ({ createdAt }: Kept) => createdAt !== 0 && createdAt < since;
        const shown = batches.filter((batch) => !isOld(batch) && batch.createdAt <= clock.now() - account.lagMs);
        return { type: 'done', batches: shown.toReversed().map((batch) => ({ ...batch })) };
      },
      get: async (name) => {
        calls.push('get');
        const broken = account.broken.get?.shift();
        if (broken) return broken;
        return { type: 'done', batch: batches.find((batch) => batch.name === name) };
      },
      cancel: async (name) => {
        calls.push(`cancel ${name}`);
        const batch = batches.find((one) => one.name === name);
        if (batch && !batch.end) {
          batch.stats ??= { total: account.keys(batch).length, succeeded: 0, failed: 0 };
          account.end('canceled', undefined, batch);
        }
        return { type: 'done' };
      },
      download: async (fileName) => {
        calls.push('download');
        const broken = account.broken.download?.shift();
        if (broken) return broken;
        const bytes = files.get(fileName);
        return { type: 'done', body: bytes ? Readable.from(slices(bytes)) : 'gone' };
      },
      deleteFile: async (fileName) => {
        calls.push(`delete ${fileName}`);
        files.delete(fileName);
        return { type: 'done' };
      },
      deleteBatch: async (name) => {
        calls.push(`delete ${name}`);
        batches.splice(
          batches.findIndex((batch) => batch.name === name),
          1,
        );
        return { type: 'done' };
      },
    },
  };
  return account;
}

/** Small pieces, so that every line is cut somewhere. */
function* slices(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
}

function toFile(lines: (string | Buffer)[]): Buffer {
  return Buffer.concat(lines.map((line) => Buffer.from(line)));
}

function keysOf(input: Buffer | undefined): string[] {
  const lines = (input?.toString() ?? '').split('\n').filter((line) => line !== '');
  return lines.map((line) => String((JSON.parse(line) as { key: unknown }).key));
}

/** A result line with an image. */
export function imageLine(key: string, image: Buffer): string {
  const inlineData = { mimeType: 'image/png', data: image.toString('base64') };
  const usageMetadata = {
    promptTokenCount: 10,
    candidatesTokenCount: 1_120,
    totalTokenCount: 1_130,
    candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1_120 }],
  };
  const candidates = [{ content: { parts: [{ inlineData }], role: 'model' }, finishReason: 'STOP' }];
  return `${JSON.stringify({ response: { candidates, usageMetadata }, key })}\n`;
}

/** One for each key. */
export function imageLines(keys: string[], image: Buffer): string[] {
  return keys.map((key) => imageLine(key, image));
}

/** What such a line costs in a provider batch, in micros. */
export const LINE_COST = 33_603;

/** A result line with an error, as the provider's gRPC codes have it. */
export function errorLine(key: string, code: number, message: string): string {
  return `${JSON.stringify({ error: { code, message }, key })}\n`;
}

/** A result line in which the model refused. */
export function blockedLine(key: string): string {
  const usageMetadata = { promptTokenCount: 10, totalTokenCount: 10 };
  return `${JSON.stringify({ key, response: { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata } })}\n`;
}
