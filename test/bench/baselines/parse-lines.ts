/** The bare thing beside a reader of result files: whole lines, JSON.parse, base64, one file each. No sums, no bounds. */

import { createReadStream, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';

type Part = { inlineData: { data: string }; thoughtSignature: string };
type Line = { response: { candidates: { content: { parts: Part[] } }[] } };

async function* linesOf(path: string): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8');
      parts = [];
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
  }
}

/** @returns milliseconds, without the removal of what was written */
async function run(path: string): Promise<number> {
  const written: string[] = [];
  const write = (base64: string) => {
    const blob = `bare-${written.length}.blob`;
    writeFileSync(blob, Buffer.from(base64, 'base64'));
    written.push(blob);
  };
  const startedAt = performance.now();
  for await (const text of linesOf(path)) {
    const line: Line = JSON.parse(text);
    for (const { inlineData, thoughtSignature } of line.response.candidates[0]?.content.parts ?? []) {
      write(inlineData.data);
      write(thoughtSignature);
    }
  }
  const ms = performance.now() - startedAt;
  await Promise.all(written.map((blob) => rm(blob)));
  return ms;
}

process.on('message', (message: { ask: string; path: string }) => {
  if (message.ask === 'run') void run(message.path).then((answer) => process.send?.({ answer }));
});
console.log('ready');
