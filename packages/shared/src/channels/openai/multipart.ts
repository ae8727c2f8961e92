/** A `multipart/form-data` body. Pure. */

export type FilePart = { name: string; filename: string; type: string; bytes: Buffer };

/** @param boundary long and random enough to be in none of the parts */
export function multipart(fields: Record<string, string>, files: readonly FilePart[], boundary: string): Buffer {
  const head = (lines: string) => Buffer.from(`--${boundary}\r\n${lines}\r\n\r\n`);
  const end = Buffer.from('\r\n');
  return Buffer.concat([
    ...Object.entries(fields).flatMap(([name, value]) => [
      head(`content-disposition: form-data; name="${name}"`),
      Buffer.from(value),
      end,
    ]),
    ...files.flatMap(({ name, filename, type, bytes }) => [
      head(`content-disposition: form-data; name="${name}"; filename="${filename}"\r\ncontent-type: ${type}`),
      bytes,
      end,
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ]);
}
