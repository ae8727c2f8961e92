/** One page that shows a batch at a glance: each result beside its sources. Self-contained, so it can be mailed. */

import { open } from 'node:fs/promises';
import type { BatchView, JobView } from '@darkroom/shared/schemas';
import { DarkroomError } from '../error.ts';
import { jobRows } from './collect.ts';
import type { Context } from './context.ts';
import { describeBatch, dollars } from './words.ts';

/** Bytes of a picture that is put into the page whole; larger ones are linked to by name only. */
const PICTURE_MAX = 400_000;
const THUMBNAIL_TRIES = 20;
const THUMBNAIL_PAUSE_MS = 500;

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
  const shown = sources
    .filter((source) => source !== undefined)
    .map((source) => `<img class="source" src="${source}" alt="source">`);
  const image = result
    ? `<img src="${result}" alt="${escape(key)}">`
    : `<p class="none">${escape(job.error ? `${job.status}: ${job.error.detail}` : job.images.length ? 'no preview' : job.status)}</p>`;
  return `<figure><div class="pictures">${image}${shown.join('')}</div><figcaption><b>${escape(key)}</b><span>${escape(job.model)} · ${escape(job.lane)} · ${dollars(job.cost.actual)}</span></figcaption></figure>\n`;
}

/** As a data URI; `undefined` when there is none, or it is too large for the page. */
async function picture({ client, signal }: Context, link: string | undefined): Promise<string | undefined> {
  if (!link) return undefined;
  for (let n = 0; n < THUMBNAIL_TRIES; n++) {
    try {
      const response = await client.download(link, { signal });
      const bytes = Buffer.from(await response.arrayBuffer());
      const mime = response.headers.get('content-type') ?? 'image/webp';
      return bytes.length <= PICTURE_MAX ? `data:${mime};base64,${bytes.toString('base64')}` : undefined;
    } catch (error) {
      // A thumbnail is made once its image is settled: it may be a moment behind.
      if (!(error instanceof DarkroomError) || !error.problem?.retryable) return undefined;
      await new Promise((resolve) => setTimeout(resolve, THUMBNAIL_PAUSE_MS));
    }
  }
  return undefined;
}

function head(batch: BatchView): string {
  const title = escape(batch.name ?? batch.id);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>
:root{color-scheme:light dark;--line:#8884}
body{margin:0;font:15px/1.5 system-ui,sans-serif}
header{padding:2rem 2rem 1rem}h1{margin:0;font-size:1.5rem}header p{margin:.25rem 0 0;opacity:.7}
main{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:1.5rem;padding:1rem 2rem 3rem}
figure{margin:0;border:1px solid var(--line);border-radius:10px;overflow:hidden;break-inside:avoid}
.pictures{position:relative;background:#8881;aspect-ratio:4/5;display:grid;place-items:center}
.pictures>img:first-child{width:100%;height:100%;object-fit:contain}
.source{position:absolute;left:8px;bottom:8px;width:28%;border:2px solid #fff;border-radius:6px;box-shadow:0 1px 6px #0006}
.source+.source{left:calc(28% + 16px)}.none{opacity:.7;padding:1rem;text-align:center}
figcaption{display:flex;flex-direction:column;padding:.6rem .8rem}figcaption span{opacity:.65;font-size:.85em}
</style></head><body><header><h1>${title}</h1><p>${escape(describeBatch(batch))}</p></header><main>
`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
