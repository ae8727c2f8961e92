/** Brings a batch's images to this machine. */

import { createWriteStream } from 'node:fs';
import { access, constants, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BatchView, JobView } from '@darkroom/shared/schemas';
import { DarkroomError } from '../error.ts';
import { unreachable } from '../http.ts';
import { insist } from '../insist.ts';
import { writeContactSheet } from './contact-sheet.ts';
import type { Context } from './context.ts';
import { EXIT, Exit } from './exit.ts';
import { createNames } from './names.ts';
import { jobRows } from './rows-of-batch.ts';

const AT_ONCE = 6;

type Wanted = { folder?: string | undefined; contactSheet?: string | undefined };

/** Makes sure, before anything is paid for, that it can be written here. @throws the file system's error that says why not */
export async function prepare({ folder, contactSheet }: Wanted): Promise<void> {
  if (folder) await mkdir(folder, { recursive: true });
  for (const target of [folder, contactSheet && dirname(contactSheet)])
    if (target) await access(target, constants.W_OK);
}

/**
 * Brings home what was made, whether or not all of it was.
 *
 * @throws Exit that says how to go on, when stopped or when the disk takes no more
 */
export async function collect(context: Context, id: string, { folder, contactSheet }: Wanted): Promise<BatchView> {
  const { client, signal } = context;
  try {
    const batch = await insist(() => client.getBatch(id, { signal }), { signal });
    if (folder) await download(context, id, folder);
    if (contactSheet) await writeContactSheet(context, batch, contactSheet);
    return batch;
  } catch (error) {
    const disk =
      !signal.aborted && isSystemError(error) ? `${error.path ?? folder ?? contactSheet}: ${error.message}` : '';
    if (!signal.aborted && !disk) throw error;
    const rest = `${folder ? ` ${folder}` : ''}${contactSheet ? ` --contact-sheet ${contactSheet}` : ''}`;
    const goOn = `Go on with \`darkroom download ${id}${rest}\`.`;
    throw disk ? new Exit(EXIT.partial, `${disk}\n${goOn}`) : new Exit(EXIT.interrupted, `Interrupted. ${goOn}`);
  }
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

/** Every image as `KEY.EXT` in `folder`, and the manifest beside them. What is there already is not fetched again. */
async function download(context: Context, id: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const nameOf = createNames();
  const stop = new AbortController();
  const within = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  let files = 0;
  const running = new Set<Promise<void>>();
  try {
    for await (const { key, job } of jobRows(within, id)) {
      const [image] = job.images;
      if (!image) continue;
      const one = fetchImage(within, image, join(folder, nameOf(key, image.mime)));
      files++;
      running.add(one);
      void one.finally(() => running.delete(one)).catch(() => undefined);
      if (running.size >= AT_ONCE) await Promise.race(running);
    }
    await Promise.all(running);
  } finally {
    // Nothing is left behind that goes on writing, or half a file.
    stop.abort(new Error('another file failed'));
    await Promise.allSettled(running);
  }
  await save(context, `/v1/batches/${id}/manifest.csv`, join(folder, 'manifest.csv'));
  context.say(`${files} images in ${folder}, beside manifest.csv`);
}

async function fetchImage(context: Context, image: JobView['images'][number], path: string): Promise<void> {
  const known = await stat(path).catch(() => undefined);
  if (known?.size === image.bytes) return;
  await save(context, image.url, path).catch(async (error: unknown) => {
    if (!(error instanceof DarkroomError) || error.retryable) throw error;
    // A link lives for minutes, and a page has two hundred of them: the job gives a new one.
    await save(context, image.thumbnail_url.replace(/\/thumbnail$/, ''), path);
  });
}

/** Whole or not at all, through short outages: a cut must not leave half a picture under the name of one. */
export async function save(
  { client, signal }: Pick<Context, 'client' | 'signal'>,
  link: string,
  path: string,
): Promise<void> {
  const part = `${path}.part`;
  const once = async (): Promise<void> => {
    const { body } = await client.download(link, { signal });
    await pipeline(body ? bytesOf(body, signal) : [], createWriteStream(part), { signal });
    await rename(part, path);
  };
  try {
    await insist(once, { signal });
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** A cut of the way here is told from a fault of the disk. */
async function* bytesOf(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const cut = unreachable('The image', { signal });
  try {
    for (let read = await reader.read().catch(cut); !read.done; read = await reader.read().catch(cut)) yield read.value;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
