/** Brings a batch's images to this machine. */

import { createWriteStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { JobView } from '@darkroom/shared/schemas';
import type { Context } from './context.ts';

const AT_ONCE = 6;
const EXTENSIONS: Record<string, string> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

type Row = { key: string; job: JobView };

/** Every image as `KEY.EXT` in `folder`, and the manifest beside them. What is there already is not fetched again. */
export async function download(context: Context, id: string, folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  let files = 0;
  const running = new Set<Promise<void>>();
  for await (const row of jobRows(context, id)) {
    if (!row.job.images.length) continue;
    const one = fetchImage(context, row, folder);
    files++;
    running.add(one);
    void one.finally(() => running.delete(one)).catch(() => undefined);
    if (running.size >= AT_ONCE) await Promise.race(running);
  }
  await Promise.all(running);
  await save(context, `/v1/batches/${id}/manifest.csv`, join(folder, 'manifest.csv'));
  context.say(`${files} images in ${folder}, beside manifest.csv`);
  return files;
}

/** Rows that became jobs, in the order of the batch. */
export async function* jobRows({ client, signal }: Context, id: string): AsyncGenerator<Row> {
  for await (const item of client.items(id, { signal })) {
    if ('images' in item && item.key !== undefined) yield { key: item.key, job: item };
  }
}

async function fetchImage(context: Context, { key, job }: Row, folder: string): Promise<void> {
  const [image] = job.images;
  if (!image) return;
  // A key may hold a colon, which is no character of a file's name everywhere.
  const path = join(folder, `${key.replaceAll(':', '_')}.${EXTENSIONS[image.mime] ?? 'bin'}`);
  const known = await stat(path).catch(() => undefined);
  if (known?.size !== image.bytes) await save(context, image.url, path);
}

async function save({ client, signal }: Context, link: string, path: string): Promise<void> {
  const { body } = await client.download(link, { signal });
  // Whole or not at all: a cut must not leave half a picture under the name of one.
  const part = `${path}.part`;
  await pipeline(body ? Readable.from(body) : Readable.from([]), createWriteStream(part), { signal });
  await rename(part, path);
}
