/** The floor beside an attempt: stream the same bytes over HTTP, base64, SHA-256, one file. Nothing else. */

import { createHash, randomUUID } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { Agent, get, type IncomingMessage } from 'node:http';

const agent = new Agent({ keepAlive: true });

type Run = { ask: 'run'; url: string; count: number; inFlight: number };

async function fetchOne(url: string): Promise<void> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(url, { agent }, resolve).on('error', reject);
  });
  const path = `floor-${randomUUID()}`;
  const file = openSync(path, 'w');
  const sha256 = createHash('sha256');
  let rest = '';
  for await (const chunk of response as AsyncIterable<Buffer>) {
    const text = rest + chunk.toString('latin1');
    const whole = text.length & ~3;
    rest = text.slice(whole);
    const bytes = Buffer.from(whole === text.length ? text : text.slice(0, whole), 'base64');
    sha256.update(bytes);
    writeSync(file, bytes);
  }
  sha256.digest('hex');
  closeSync(file);
  await unlink(path);
}

async function run({ url, count, inFlight }: Run): Promise<void> {
  let left = count;
  const line = async () => {
    while (left-- > 0) await fetchOne(url);
  };
  await Promise.all(Array.from({ length: inFlight }, line));
}

process.on('message', (message: Run) => {
  if (message.ask !== 'run') return;
  void run(message).then(() => process.send?.({ answer: true }));
});
console.log('ready');
