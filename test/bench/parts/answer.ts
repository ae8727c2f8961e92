/** What the provider of the bench answers. */

import { crc32 } from 'node:zlib';

const SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

/** Bytes with the head of a 4K PNG and noise for pixels: a multiple of three, so that base64 needs no padding. */
export function imageOf(bytes: number): Buffer {
  const noise = Buffer.alloc(bytes - (bytes % 3));
  let state = 42;
  for (let at = 0; at + 4 <= noise.length; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    noise.writeUInt32LE(state, at);
  }
  const header = Buffer.alloc(33);
  header.writeUInt32BE(13, 0);
  header.write('IHDR', 4, 'latin1');
  header.writeUInt32BE(4_096, 8);
  header.writeUInt32BE(4_096, 12);
  header.set([8, 2, 0, 0, 0], 16);
  header.writeUInt32BE(crc32(header.subarray(4, 21)), 21);
  header.writeUInt32BE(bytes, 25);
  header.write('IDAT', 29, 'latin1');
  noise.set(SIGNATURE, 0);
  noise.set(header, SIGNATURE.length);
  return noise;
}

/** A whole Gemini answer with one image. */
export function imageAnswer(image: Buffer, signature: Buffer): string {
  return JSON.stringify({
    candidates: [
      {
        content: {
          role: 'model',
          parts: [
            {
              inlineData: { mimeType: 'image/png', data: image.toString('base64') },
              thoughtSignature: signature.toString('base64'),
            },
          ],
        },
        finishReason: 'STOP',
        index: 0,
      },
    ],
    usageMetadata: {
      promptTokenCount: 220,
      candidatesTokenCount: 1_120,
      thoughtsTokenCount: 179,
      totalTokenCount: 1_519,
      candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1_120 }],
    },
    modelVersion: 'gemini-3.1-flash-image',
    responseId: 'bench',
  });
}
