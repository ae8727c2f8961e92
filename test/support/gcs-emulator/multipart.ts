/** `multipart/related`, as uploads use it: a JSON part, then the bytes. */

import { invalid } from './errors.ts';

export type Multipart = { resource: string; contentType: string | undefined; bytes: Buffer };

export function parseMultipart(contentType: string, body: Buffer): Multipart {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) throw invalid('A multipart upload names its boundary.');
  const mark = `--${boundary}`;
  const first = body.indexOf(mark);
  const second = body.indexOf(`\r\n${mark}`, first + mark.length);
  const last = body.lastIndexOf(`\r\n${mark}--`);
  if (first === -1 || second === -1 || last <= second) throw invalid('The multipart body is not whole.');
  const resource = splitPart(body.subarray(first + mark.length, second));
  const media = splitPart(body.subarray(second + mark.length + 2, last));
  return {
    resource: resource.content.toString(),
    contentType: /content-type: *([^\r\n]+)/i.exec(media.head)?.[1],
    bytes: media.content,
  };
}

function splitPart(part: Buffer): { head: string; content: Buffer } {
  const end = part.indexOf('\r\n\r\n');
  if (end === -1) throw invalid('A part of the multipart body has no end of its headers.');
  return { head: part.subarray(0, end).toString(), content: part.subarray(end + 4) };
}
