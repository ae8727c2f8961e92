/** One page that shows a batch at a glance: each result beside its sources. Self-contained, so it can be mailed. */

import { open } from 'node:fs/promises';
import type { BatchView, JobView } from '@darkroom/shared/schemas';
import { unreachable } from '../http.ts';
import { insist } from '../insist.ts';
import type { Context } from './context.ts';
import { jobRows } from './rows-of-batch.ts';
import { describeBatch, dollars } from './words.ts';

/** Bytes of a picture that is put into the page whole; of a larger one the page says how large it is. */
const PICTURE_MAX = 400_000;

/** Writes the page picture by picture, so that its size is no matter of memory. */
export async function writeContactSheet(context: Context, batch: BatchView, path: string): Promise<void> {
  await using file = await open(path, 'w');
  await file.write(head(batch));
  for await (const { key, job } of jobRows(context, batch.id)) await file.write(await figure(context, key, job));
  await file.write('</main></body></html>\n');
  context.say(`contact sheet: ${path}`);
}

async function figure(context: Context, key: string, job: JobView): Promise<string> {
  const result = await picture(context, job.images[0]?.thumbnail_url);
  const sources = await Promise.all((job.references ?? []).map(({ url }) => picture(context, url)));
  const shown = sources.flatMap(({ data }) => (data ? [`<img class="source" src="${data}" alt="source">`] : []));
  const notes = sources.flatMap(({ missing }) => (missing ? [`<span>source: ${escape(missing)}</span>`] : []));
  const image = result.data
    ? `<img src="${result.data}" alt="${escape(key)}">`
    : `<p class="none">${escape(job.error ? `${job.status}: ${job.error.detail}` : job.images.length ? 'no preview' : job.status)}</p>`;
  return `<figure><div class="pictures">${image}${shown.join('')}</div><figcaption><b>${escape(key)}</b><span>${escape(job.model)} · ${escape(job.lane)} · ${dollars(job.cost.actual)}</span>${notes.join('')}</figcaption></figure>\n`;
}

/** As a data URI, or why there is none. */
type Picture = { data?: string; missing?: string };

async function picture(context: Context, link: string | undefined): Promise<Picture> {
  if (!link) return { missing: 'not at hand' };
  const { client, signal } = context;
  try {
    // A thumbnail is made once its image is settled: it may be a moment behind.
    return await insist(async () => embed(await client.download(link, { signal }), signal), { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    return { missing: 'not at hand' };
  }
}

async function embed(response: Response, signal: AbortSignal): Promise<Picture> {
  const bytes = Buffer.from(await response.arrayBuffer().catch(unreachable('The picture', { signal })));
  if (bytes.length > PICTURE_MAX) return { missing: `${(bytes.length / 1e6).toFixed(1)} MB, too large for this page` };
  const mime = response.headers.get('content-type') ?? 'image/webp';
  return { data: `data:${mime};base64,${bytes.toString('base64')}` };
}

function head(batch: BatchView): string {
  const title = escape(batch.name ?? batch.id);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>
:root{color-scheme:light dark;--line:#8884}
body{margin:0;font:15px/1.5 system-ui,sans-serif}
header{padding:2rem 2rem 1rem}h1{margin:0;font-size:1.5rem}header p{margin:.25rem 0 0;opacity:.7;white-space:pre-wrap}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:1.5rem;padding:1rem 2rem 3rem}
figure{margin:0;border:1px solid var(--line);border-radius:10px;overflow:hidden;break-inside:avoid}
.pictures{position:relative;background:#8881;aspect-ratio:4/5;display:grid;place-items:center}
.pictures>img:first-child{width:100%;height:100%;object-fit:contain}
.source{position:absolute;left:8px;bottom:8px;width:28%;border:2px solid #fff;border-radius:6px;box-shadow:0 1px 6px #0006}
.source+.source{left:calc(28% + 16px)}.none{opacity:.7;padding:1rem;text-align:center}
figcaption{display:flex;flex-direction:column;padding:.6rem .8rem;overflow-wrap:anywhere}figcaption span{opacity:.65;font-size:.85em}
</style></head><body><header><h1>${title}</h1><p>${escape(describeBatch(batch))}</p></header><main>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
