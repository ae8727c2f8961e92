/**
 * The small form of a job at rest: request and state as one deflated text.
 *
 * The first byte names the form, and no JSON text begins with it. Deflate begins with a dictionary, the text it may
 * point back to; whatever was packed with a dictionary is read with that one for as long as a record lives. To change
 * it, add a form with the next byte and keep the old one.
 */

import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { JobId, JobRequest, JobState } from '../../domain/index.ts';

type Content = { request: JobRequest; state: JobState };

const FORM = 1;
/**
 * A record is a few kilobytes. The window of 8 kB is read by any larger one; with the default tables, each call would
 * take and clear a quarter of a megabyte, and twice the time.
 */
const SMALL = { windowBits: 13, memLevel: 6, chunkSize: 1_024 } as const;
/** What records are likely to hold, the likeliest last. */
export const DICTIONARY = [
  '"upstream":{"channel":"gemini","http":429,"finishReason":"IMAGE_SAFETY","blockReason":"PROHIBITED_CONTENT","quotaId":"","message":"',
  '"status":"expired","status":"canceled","status":"blocked","status":"failed","state":"rejected","state":"in_doubt","error":"provider_',
  '"error":{"code":"content_blocked","detail":"The ","leader":"job_","source":"joined","source":"cache","warnings":["phase":"held"',
  '"text":"","grounding":{"webSearchQueries":["","searchEntryPoint":{"renderedContent":"<div>","groundingChunks":[{"web":{"uri":"https://","title":"',
  '"safety":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"BLOCK_ONLY_HIGH"},{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},',
  '"references":[{"key":"assets/","sha256":"","mime":"image/jpeg","bytes":1,"width":1024,"height":1024,"role":"object","role":"character","role":"style","name":"',
  '"size":"512","size":"2K","size":"4K","aspectRatio":"16:9","aspectRatio":"1:1","aspectRatio":"9:16","seed":1,"thinking":"high","tools":["google_search"],',
  '"maxCost":100000,"cache":{"ttlMs":86400000},"onUnknownOutcome":"hold","dedup":false,"image/webp',
  ' photograph of a person in the background with soft light, portrait, landscape, high detail, illustration in the style of',
  '{"request":{"prompt":"A ","model":"gemini-3-pro-image","model":"gemini-2.5-flash-image","model":"gemini-3.1-flash-image","size":"1K",',
  '"references":[],"tools":[],"safety":[],"lane":"standard","priority":5,"onUnknownOutcome":"retry","dedup":{"windowMs":60000},"tags":["","metadata":{}},',
  '"state":{"status":"succeeded","createdAt":17,"expiresAt":17,"runAt":17,"attempts":[{"id":"att_0","channel":"gemini","model":"gemini-nano-banana-2.1",',
  '"lane":"standard","state":"settled","startedAt":17,"ms":1,"cost":3,"tokens":1,"reason":"answered by gemini-3.1-flash-image"}],"estimated":3,',
  '"images":[{"n":0,"mime":"image/png","width":1024,"height":1024,"bytes":1,"sha256":"","key":"results/2026/.jpg"}],"lateImages":[],"startedAt":17,"completedAt":17}}',
].join('');

/** @param id as told to `unpack` again: the names of its objects hold it, so it ends the dictionary */
export function pack(id: JobId, { request, state }: Content): Buffer {
  const packed = deflateRawSync(JSON.stringify({ request, state }), { ...SMALL, dictionary: dictionaryOf(id) });
  return Buffer.concat([Buffer.of(FORM), packed]);
}

/** @returns whether the value is of a packed form, known or not: JSON text of ours begins with a bracket */
export function isPacked(value: Buffer): boolean {
  return (value[0] ?? 0x20) < 0x20;
}

/** @throws Error on a form this version does not know, and on damaged data */
export function unpack(id: JobId, value: Buffer): Content {
  if (value[0] !== FORM) throw new Error(`job ${id} is packed in form ${value[0]}: a newer version wrote it`);
  const text = inflateRawSync(value.subarray(1), { dictionary: dictionaryOf(id) }).toString();
  // Written by this program from these very types; the record is not an edge.
  return JSON.parse(text) as Content;
}

function dictionaryOf(id: JobId): Buffer {
  return Buffer.from(DICTIONARY + id);
}
