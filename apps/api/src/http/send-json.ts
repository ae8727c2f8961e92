import type { Response } from 'express';

/** A JSON answer without what `res.json` asks first: settings, an ETag, whether the client has it already. */
export function sendJson(res: Response, status: number, value: unknown): void {
  // Its line ends, for whoever reads it in a terminal.
  const text = `${JSON.stringify(value)}\n`;
  res.statusCode = status;
  res.setHeader('content-type', 'application/json; charset=utf-8');
  res.setHeader('content-length', Buffer.byteLength(text));
  res.end(text);
}
