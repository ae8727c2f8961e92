import type { Response } from 'express';

/** A JSON answer without what `res.json` asks first: settings, an ETag, whether the client has it already. */
export function sendJson(res: Response, status: number, value: unknown): void {
  // Its line ends, for whoever reads it in a terminal.
  const text = `${JSON.stringify(value)}\n`;
  const bytes = Buffer.byteLength(text);
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('content-length', bytes);
  // Nearly all are ASCII, which goes out without being encoded.
  res.end(text, bytes === text.length ? 'latin1' : 'utf8');
}
