/** A provider's answer as it came off the wire, with every base64 field lifted out into the spool. */

/** One lifted field: its decoded bytes lie in a file of the spool. */
export type SpooledBlob = {
  /** Absolute path of the file. */
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** Unsigned CRC32C, as object stores count it. */
  crc32c: number;
};

/** How a body is to be read: the provider's own, OpenAI's chat with images, OpenAI's images. */
export type Dialect = 'gemini' | 'chat' | 'images';

export type Answer = {
  /** Absent = `gemini`. */
  dialect?: Dialect;
  httpStatus: number;
  /** Lower-case names; only the ones worth keeping (content-type, retry-after, server-timing, x-request-id …). */
  headers: Record<string, string>;
  /**
   * The parsed JSON body with each lifted string replaced by `"@blob:N"`, N an index into `blobs`;
   * the text itself (cut at 64 kB) when the body was not JSON.
   */
  body: unknown;
  blobs: SpooledBlob[];
  /** Milliseconds from the first byte sent to the last byte received. */
  ms: number;
};

/** The index behind `"@blob:N"`, or `undefined` for any other value. */
export function blobIndex(value: unknown): number | undefined {
  const match = typeof value === 'string' ? /^@blob:(\d{1,4})$/.exec(value) : null;
  return match ? Number(match[1]) : undefined;
}
