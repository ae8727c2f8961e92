/** Reads a result file as the worker does: lines split, base64 lifted into files, sizes and sums known. */

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createGeminiBatchChannel } from '@darkroom/shared/channels';
import { createFileSums, createTempBlob } from '@darkroom/shared/storage/spool';

const channel = createGeminiBatchChannel({ apiKey: 'bench', apiVersion: 'v1beta' });
const sums = createFileSums();

/** @returns milliseconds, without the removal of what was written */
async function run(path: string): Promise<number> {
  const written: string[] = [];
  const startedAt = performance.now();
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const lines = channel.readLines(file, (line, index) => createTempBlob(`read-${line}-${index}.blob`, sums));
  for await (const line of lines) {
    if (line.type !== 'line') throw new Error(`a line of ${line.bytes} bytes cannot be read`);
    written.push(...line.answer.blobs.map((blob) => blob.path));
  }
  const ms = performance.now() - startedAt;
  await Promise.all(written.map((blob) => rm(blob)));
  return ms;
}

process.on('message', (message: { ask: string; path: string }) => {
  if (message.ask === 'run') void run(message.path).then((answer) => process.send?.({ answer }));
});
console.log('ready');
