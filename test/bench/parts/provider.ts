/**
 * A provider that costs next to nothing: answers prepared bodies, in a process of its own.
 *
 *   POST …:generateContent   a Gemini answer with an image of IMAGE_BYTES and a thought signature of SIGNATURE_BYTES
 *   GET  /raw                the same base64 without the JSON around it
 */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { imageAnswer, imageOf } from './answer.ts';

const image = imageOf(Number(process.env['IMAGE_BYTES']));
const signature = Buffer.alloc(Number(process.env['SIGNATURE_BYTES']), image);
const answer = Buffer.from(imageAnswer(image, signature));
// Whole quanta each, so that one run of base64 holds both.
const raw = Buffer.from(image.toString('base64') + signature.toString('base64'));
/** Requests that have to be there before any is answered. */
const together = Number(process.env['TOGETHER'] ?? 1);
let waiting: (() => void)[] = [];

function send(response: ServerResponse, type: string, body: Buffer): void {
  waiting.push(() => response.writeHead(200, { 'content-type': type, 'content-length': body.length }).end(body));
  if (waiting.length < together) return;
  for (const go of waiting) go();
  waiting = [];
}

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    if (request.method === 'POST') send(response, 'application/json', answer);
    else send(response, 'application/octet-stream', raw);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
