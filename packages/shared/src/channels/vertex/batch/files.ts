/** Input and output of jobs, in the user's own bucket. Nothing outside its configured prefix is ever written or removed. */

import { Readable } from 'node:stream';
import { AppError } from '../../../domain/errors.ts';
import type { BatchChannel, Done } from '../../../ports/batch-channel.ts';
import { type NotDone, notDone, rejected, unknown } from '../../gemini/batch/api.ts';
import { chosenFile } from '../../gemini/batch/names.ts';
import { asAnswer, CredentialsError } from '../../genai/credentials-error.ts';
import { reasonOf } from '../../http/exchange.ts';
import { type Bucket, nameBelow, type Place } from './bucket.ts';

const INPUT = 'input.jsonl';
/** One file as a rule, several for a large job; what tells of errors beside them is none of it. */
const SHARD = /\/predictions?[^/]*\.jsonl(?:-\d+-of-\d+)?$|\/prediction\.results-\d+-of-\d+$/;

type Files = Pick<BatchChannel, 'upload' | 'download' | 'deleteFile'>;

/**
 * @param place below which all of it lies
 * @param authorize asked before each step: a bucket does not tell credentials that are refused from one that is out of reach
 */
export function createFiles(bucket: Bucket, place: Place, authorize: (signal: AbortSignal) => unknown): Files {
  const root = place.prefix === '' ? '' : `${place.prefix}/`;

  async function* joined(names: string[], first: Readable): AsyncGenerator<Buffer> {
    for (const [n, name] of names.entries()) {
      const body = n === 0 ? first : await bucket.open(name);
      if (!body) throw new Error(`gs://${place.bucket}/${name} is gone`);
      // The first line of a shard begins a line.
      if (n > 0) yield Buffer.from('\n');
      yield* body as AsyncIterable<Buffer>;
    }
  }

  async function outputOf(directory: string): Promise<Readable | 'gone'> {
    const prefix = `${nameBelow(place, directory)}/`;
    const shards = (await bucket.list(prefix)).filter((name) => SHARD.test(name)).toSorted(byText);
    const [first] = shards;
    const body = first === undefined ? undefined : await bucket.open(first);
    return body ? Readable.from(joined(shards, body), { objectMode: false }) : 'gone';
  }

  /** What is done to a bucket can be done again: nothing is billed by it. */
  async function attempted<T extends object>(signal: AbortSignal, act: () => Promise<T>): Promise<Done<T>> {
    try {
      await authorize(signal);
      return { type: 'done', ...(await act()) };
    } catch (error) {
      if (error instanceof RangeError || error instanceof TypeError) throw error;
      return failed(error);
    }
  }

  return {
    upload: ({ path, bytes, name }, signal) =>
      attempted(signal, async () => {
        const object = `${root}${chosenFile(name).slice('files/'.length)}/${INPUT}`;
        await bucket.put(object, { path, bytes });
        return { fileName: `gs://${place.bucket}/${object}` };
      }),
    download: (directory, signal) => attempted(signal, async () => ({ body: await outputOf(directory) })),
    deleteFile: (uri, signal) =>
      attempted(signal, async () => {
        const name = nameBelow(place, uri);
        const names = name.endsWith(`/${INPUT}`) ? [name] : await bucket.list(`${name}/`);
        for (const one of names) await bucket.remove(one);
        return {};
      }),
  };
}

function failed(error: unknown): NotDone {
  if (error instanceof CredentialsError) return notDone({ type: 'refused', answer: asAnswer(error) });
  if (error instanceof AppError && error.code === 'object_conflict')
    return rejected({ code: 'object_conflict', retryable: false, http: 409 }, error.message);
  return unknown(reasonOf(error));
}

function byText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
