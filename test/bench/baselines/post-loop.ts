/** The bare thing beside the deliverer: undici signs and posts the same body again and again. */

import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'undici';

const dispatcher = new Agent();
const key = randomBytes(32);

type Run = { ask: 'run'; url: string; count: number; inFlight: number; bytes: number };

async function post(url: string, body: string): Promise<void> {
  const id = `evt_${randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  const answer = await request(url, {
    dispatcher,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${signature}`,
    },
    body,
  });
  await answer.body.dump();
}

async function run({ url, count, inFlight, bytes }: Run): Promise<void> {
  const body = JSON.stringify({ type: 'job.succeeded', timestamp: new Date().toISOString(), data: 'x'.repeat(bytes) });
  let left = count;
  const line = async () => {
    while (left-- > 0) await post(url, body);
  };
  await Promise.all(Array.from({ length: inFlight }, line));
}

process.on('message', (message: Run) => {
  if (message.ask !== 'run') return;
  void run(message).then(() => process.send?.({ answer: true }));
});
console.log('ready');
