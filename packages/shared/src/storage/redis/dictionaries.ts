/**
 * What records are likely to hold, the likeliest last: the texts that deflate may point back to. @see pack
 *
 * None of them may change any more, nor may what they take from an id: whatever was packed with one is read with that one
 * for as long as a record lives.
 */

import { dayFolder, isGeneratedJobId, type JobId, timeOfId } from '../../domain/index.ts';

/** Of form 1, which knew the standard lane. */
export const FIRST = [
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

/** Of form 2. The id of a batch's row tells the day, and how its instants and the other ids begin. */
const SECOND = [
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

export function second(id: JobId): string {
  const { instant, hex, day } = hintsIn(id);
  return [
    SECOND,
    `${hex}","key":"SKU-1"}},"state":{"status":"succeeded","createdAt":${instant},"expiresAt":17,"runAt":${instant},`,
    `"attempts":[{"id":"att_${hex}","channel":"gemini","providerBatch":"pb_${hex}","model":"gemini-3.1-flash-image",`,
    `"lane":"batch","state":"settled","startedAt":${instant},"ms":1,"cost":2,"tokens":1}],"estimated":2,`,
    '"images":[{"n":0,"mime":"image/png","width":1024,"height":1024,"bytes":1,"sha256":"","key":"results/',
    `${day}/${id}/0-.jpg"}],"lateImages":[],"startedAt":${instant},"completedAt":${instant}}}`,
  ].join('');
}

/** A caller's own id tells nothing. */
function hintsIn(id: JobId): { instant: string; hex: string; day: string } {
  if (!isGeneratedJobId(id)) return { instant: '', hex: '', day: 'own' };
  const at = timeOfId(id);
  return { instant: String(at), hex: id.slice(4, 16), day: dayFolder(at) };
}
