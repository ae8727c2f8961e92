/** Provider batches as a worker takes them through a channel, in few words: what is done must have been answered. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { FaultRule } from '@darkroom/emulator';
import { classify } from '@darkroom/shared/domain';
import type { BatchChannel, Done, RemoteBatch, ResultLine } from '@darkroom/shared/ports';
import { createFileSums, createTempBlob } from '@darkroom/shared/storage/spool';
import { aRequest } from '@darkroom/shared/testing/factories';

export const BATCH_MODEL = 'gemini-3-pro-image';

/** `folder` = where files of the test lie. */
type Account = { channel: BatchChannel; folder: string };

const { signal } = new AbortController();

/** What a batch comes to at the provider. */
export function course(more: Omit<Extract<FaultRule['fault'], { kind: 'course' }>, 'kind'>): FaultRule {
  return { fault: { kind: 'course', ...more } };
}

export function done<T>(end: Done<T>): T {
  if (end.type !== 'done') throw new Error(JSON.stringify(end));
  return end;
}

export async function aFile(folder: string, name: string, bytes: string | Buffer) {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return { path, bytes: Buffer.byteLength(bytes), name, displayName: name };
}

/** A file with a line for each key. */
export function inputOf({ channel, folder }: Account, keys: string[]) {
  const lines = keys.map((key) =>
    channel.formatLine(key, aRequest({ prompt: `a picture of ${key}`, model: BATCH_MODEL }), []),
  );
  return aFile(folder, 'chunk-1', Buffer.concat(lines));
}

/** A batch `dk-1` with a line for each key. @returns its name at the provider */
export async function aBatch(account: Account, keys: string[]): Promise<string> {
  const { channel } = account;
  const { fileName } = done(await channel.upload(await inputOf(account, keys), signal));
  return done(await channel.create({ model: BATCH_MODEL, fileName, displayName: 'dk-1' }, signal)).name;
}

/** The one that is in the list, or the first. */
export async function theBatch({ channel }: Account): Promise<RemoteBatch> {
  const [batch] = done(await channel.list(0, signal)).batches;
  if (!batch) throw new Error('there is no batch');
  return batch;
}

export async function bodyOf({ channel }: Account, { responsesFile = '' }: RemoteBatch): Promise<Readable> {
  const { body } = done(await channel.download(responsesFile, signal));
  if (body === 'gone') throw new Error('it is gone');
  return body;
}

/** The lines of its results, with their images in the folder. */
export async function results(account: Account): Promise<ResultLine[]> {
  const body = await bodyOf(account, await theBatch(account));
  await using sums = createFileSums();
  const sink = (line: number, index: number) => createTempBlob(join(account.folder, `${line}-${index}.blob`), sums);
  return await Array.fromAsync(account.channel.readLines(body, sink));
}

/** What became of the lines, as they came: a key and a verdict each. */
export function judged(lines: ResultLine[]): [key: string, verdict: string][] {
  return lines.map((line) => (line.type === 'line' ? [line.key, classify(line.answer).type] : ['', line.type]));
}

export function byKey(pairs: [key: string, verdict: string][]): [key: string, verdict: string][] {
  return pairs.toSorted(([a], [b]) => a.localeCompare(b));
}
