/**
 * A receiver of webhooks that costs next to nothing: answers 204, in a process of its own.
 *
 *   POST /dead   is never answered
 *
 *   { ask: 'expect', count }   from the first to the last of so many requests, in ms; asked before the first comes
 *   { ask: 'ages', count }     how old the events of so many requests were, in ms
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Question = { ask: string; count: number };

let question: Question | undefined;
let seen = 0;
let firstAt = 0;
let ages: number[] = [];

function note(body: string): void {
  if (question === undefined) return;
  if (question.ask === 'ages')
    ages.push(Date.now() - Date.parse((JSON.parse(body) as { timestamp: string }).timestamp));
  if (seen++ === 0) firstAt = performance.now();
  if (seen < question.count) return;
  process.send?.({ answer: question.ask === 'ages' ? ages : performance.now() - firstAt });
  question = undefined;
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.url === '/dead') return;
    note(Buffer.concat(chunks).toString());
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

process.on('message', (message: Question) => {
  if (message.ask !== 'expect' && message.ask !== 'ages') return;
  question = message;
  [seen, ages] = [0, []];
});
