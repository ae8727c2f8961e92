/** Tries to make thumbnails of the bench's pictures, which are noise: what that costs is no part of an attempt. */

import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { configureSharp, makeThumbnail } from '@darkroom/shared/images';
import { imageOf } from '../parts/answer.ts';

/**
 * About as far apart as a worker meets them: one right behind the other finds threads awake and caches warm, and costs
 * a quarter less.
 */
const APART_MS = 20;

const path = `${process.cwd()}/thumbnail.png`;
await writeFile(path, imageOf(Number(process.env['IMAGE_BYTES'])));
await configureSharp({ concurrency: 1 });

type Run = { ask: 'run'; count: number };

process.on('message', ({ ask, count }: Run) => {
  if (ask === 'run') void refused(count).then((all) => process.send?.({ answer: all }));
});
console.log('ready');

async function refused(count: number): Promise<number> {
  let refusals = 0;
  for (let n = 0; n < count; n++) {
    await sleep(APART_MS);
    await makeThumbnail(path).catch(() => {
      refusals += 1;
    });
  }
  return refusals;
}
