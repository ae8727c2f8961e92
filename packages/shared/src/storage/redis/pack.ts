/**
 * The small form of a job at rest: request and state as one deflated text.
 *
 * The first byte names the form, and no JSON text begins with it. Deflate begins with the form's dictionary, the text it
 * may point back to. To change it, add a form with the next byte and keep the old one.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { JobId, JobRequest, JobState } from '../../domain/index.ts';
import { FIRST, second } from './dictionaries.ts';

type Content = { request: JobRequest; state: JobState };

/** In which records are written. */
const FORM = 2;
/**
 * A record is a few kilobytes. The window of 8 kB is read by any larger one; with the default tables, each call would
 * take and clear a quarter of a megabyte, and twice the time.
 */
const SMALL = { windowBits: 13, memLevel: 6, chunkSize: 1_024 } as const;
/** The text of each form that records may point back to. */
const DICTIONARIES: ReadonlyMap<number, (id: JobId) => string> = new Map([
  [1, (id) => FIRST + id],
  [FORM, second],
]);

/** @param id as told to `unpack` again: the names of its objects hold it, so it is in the dictionary */
export function pack(id: JobId, { request, state }: Content): Buffer {
  const packed = deflateRawSync(JSON.stringify({ request, state }), { ...SMALL, dictionary: Buffer.from(second(id)) });
  return Buffer.concat([Buffer.of(FORM), packed]);
}

/** @returns whether the value is of a packed form, known or not: JSON text of ours begins with a bracket */
export function isPacked(value: Buffer): boolean {
  return (value[0] ?? 0x20) < 0x20;
}

/** @throws Error on a form this version does not know, and on damaged data */
export function unpack(id: JobId, value: Buffer): Content {
  const [form = 0] = value;
  const dictionaryOf = DICTIONARIES.get(form);
  if (!dictionaryOf) throw new Error(`job ${id} is packed in form ${form}: a newer version wrote it`);
  const text = inflateRawSync(value.subarray(1), { dictionary: Buffer.from(dictionaryOf(id)) }).toString();
  // Written by this program from these very types; the record is not an edge.
  return JSON.parse(text) as Content;
}
