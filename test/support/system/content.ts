/** What a record in Redis says, in the form that it lies there. Nothing of the product is used to read it. */

import { inflateRawSync } from 'node:zlib';
import type { AttemptRecord, ImageRecord } from './records.ts';

export type RequestOnDisk = { prompt?: string; batch?: { id: string; key: string } };
export type StateOnDisk = {
  status?: string;
  open?: string;
  leader?: string;
  attempts?: AttemptRecord[];
  images?: ImageRecord[];
  lateImages?: ImageRecord[];
};

type ContentOnDisk = { request: RequestOnDisk; state: StateOnDisk };

/** What a record of form 2 may point back to, before that of its id. */
const FORM_2 = [
  '"upstream":{"channel":"gemini","http":429,"finishReason":"IMAGE_SAFETY","blockReason":"PROHIBITED_CONTENT","quotaId":"","message":"',
  '"status":"expired","status":"canceled","status":"blocked","status":"failed","state":"rejected","state":"in_doubt","error":"provider_',
  '"error":{"code":"content_blocked","detail":"The ","leader":"job_","source":"joined","source":"cache","phase":"held","phase":"storing"',
  '"text":"","grounding":{"webSearchQueries":["","searchEntryPoint":{"renderedContent":"<div>","groundingChunks":[{"web":{"uri":"https://","title":"',
  '"safety":[{"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"BLOCK_ONLY_HIGH"},{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},',
  '"references":[{"key":"assets/","sha256":"","mime":"image/jpeg","bytes":1,"width":1024,"height":1024,"role":"object","role":"character","role":"style","name":"',
  '"size":"512","size":"2K","size":"4K","aspectRatio":"16:9","aspectRatio":"1:1","aspectRatio":"9:16","seed":1,"thinking":"high","tools":["google_search"],',
  '"maxCost":100000,"cache":{"ttlMs":86400000},"onUnknownOutcome":"hold","dedup":false,"image/webp',
  '"webhook":{"url":"https://","events":["job.succeeded","route":{"lane":"standard","reason":"',
  ' photograph of a person in the background with soft light, portrait, landscape, high detail, illustration in the style of',
  '"warnings":["Model gemini-2.5-flash-image is deprecated and reported to end on 2026-10-29; move to gemini-nano-banana-2.1."],',
  '"model":"gemini-3-pro-image","lane":"standard","state":"settled","startedAt":17,"ms":1,"cost":3,"tokens":1,"reason":"answered by gemini-3.1-flash-image"}],',
  '"state":{"status":"queued","createdAt":17,"expiresAt":17,"runAt":17,"attempts":[],"estimated":2,"images":[],"lateImages":[],"phase":"generating",',
  '"state":"open","startedAt":17}],"estimated":2,"images":[],"lateImages":[],"phase":"in_provider_batch","startedAt":17,"open":"att_',
  '{"request":{"prompt":"A ","template":"@1","model":"gemini-3.1-flash-image","size":"1K",',
  '"references":[],"tools":[],"safety":[],"lane":"standard","priority":5,"onUnknownOutcome":"retry","dedup":{"windowMs":60000},"tags":[],"metadata":{}},',
  '"lane":"batch","priority":5,"onUnknownOutcome":"retry","dedup":{"windowMs":60000},"tags":[],"metadata":{},"batch":{"id":"bat_',
].join('');

/** With the instant that the id tells, and its day in UTC. */
function dictionaryOf(id: string): string {
  const [, hex] = /^job_([0-9a-f]{12})7[0-9a-f]{19}$/.exec(id) ?? [];
  const at = hex === undefined ? '' : Number.parseInt(hex, 16);
  const day = at === '' ? 'own' : new Date(at).toISOString().slice(0, 10).replaceAll('-', '/');
  const ids = hex ?? '';
  return [
    FORM_2,
    `${ids}","key":"SKU-1"}},"state":{"status":"succeeded","createdAt":${at},"expiresAt":17,"runAt":${at},`,
    `"attempts":[{"id":"att_${ids}","channel":"gemini","providerBatch":"pb_${ids}","model":"gemini-3.1-flash-image",`,
    `"lane":"batch","state":"settled","startedAt":${at},"ms":1,"cost":2,"tokens":1}],"estimated":2,`,
    '"images":[{"n":0,"mime":"image/png","width":1024,"height":1024,"bytes":1,"sha256":"","key":"results/',
    `${day}/${id}/0-.jpg"}],"lateImages":[],"startedAt":${at},"completedAt":${at}}}`,
  ].join('');
}

/**
 * Of a job that is over for good, and of a batch's row, one text holds both, in the form that its first byte names: it
 * begins in the field `t` and goes on in `1`, `2` …, of which the last may be left over from a longer one.
 */
export function contentOf(id: string, fields: Record<string, Buffer>): ContentOnDisk {
  const { r, t } = fields;
  if (t?.[0] === 2) {
    const pieces = [t.subarray(1)];
    for (let n = 1, piece = fields[n]; piece; piece = fields[++n]) pieces.push(piece);
    const dictionary = Buffer.from(dictionaryOf(id));
    return JSON.parse(inflateRawSync(Buffer.concat(pieces), { dictionary }).toString()) as ContentOnDisk;
  }
  return { request: JSON.parse(String(r ?? '{}')), state: JSON.parse(String(t ?? '{}')) };
}
