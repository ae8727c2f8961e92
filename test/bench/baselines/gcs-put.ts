/** Puts one 20 MB image into a bucket, by Darkroom's store or by the GCS client as it comes. */

import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { Storage } from '@google-cloud/storage';
import { imageOf } from '../parts/answer.ts';

const BYTES = 20_000_000;
const apiEndpoint = String(process.env['GCS_URL']);
const path = `${process.cwd()}/gcs-put.png`;
const image = imageOf(BYTES);
await writeFile(path, image);

const store = createGcsStore({ bucket: 'bench', prefix: '', apiEndpoint });
const bare = new Storage({ apiEndpoint, projectId: 'bench', useAuthWithCustomEndpoint: false }).bucket('bench');

const puts = {
  native: () => store.put(`native/${randomUUID()}`, { path, bytes: image.length }, { contentType: 'image/png' }),
  default: () =>
    pipeline(
      createReadStream(path, { highWaterMark: 1 << 20 }),
      bare.file(`default/${randomUUID()}`).createWriteStream({ resumable: false, validation: 'crc32c' }),
    ),
};

process.on('message', (message: { ask: string; with: keyof typeof puts }) => {
  if (message.ask === 'put') void measured(puts[message.with]);
});
console.log('ready');

async function measured(put: () => Promise<unknown>): Promise<void> {
  const before = process.cpuUsage();
  await put();
  const { user, system } = process.cpuUsage(before);
  process.send?.({ answer: (user + system) / 1_000 });
}
