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
  /** Of a refusal: the request named nothing at the provider but its model, and no file that the provider was to fetch. */
  plain?: true;
  httpStatus: number;
  /** Lower-case names; only the ones worth keeping (content-type, retry-after, server-timing, x-request-id …). */
  headers: Record<string, string>;
  /**
   * The parsed JSON body with each lifted string replaced by `"@blob:N"`, N an index into `blobs`, and each image
   * within a text by `data:image/png;base64,@blob:N`; the text itself (cut at 64 kB) when the body was not JSON.
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

const DATA_URL = /data:(image\/[\w.+-]{1,60})(?:;[\w.=+-]{1,40})?;base64,@blob:(\d{1,4})/gi;
/** The same with the markdown around it. */
const WRITTEN_IMAGE = new RegExp(
  `!\\[[^\\]]{0,500}\\]\\(\\s{0,9}${DATA_URL.source}[^)]{0,500}\\)|${DATA_URL.source}`,
  'gi',
);

/** The images that stood in a text as data URLs, in their order; none for any other value. */
export function imagesInText(text: unknown): { blob: number; mime: string }[] {
  if (typeof text !== 'string') return [];
  return [...text.matchAll(DATA_URL)].map(([, mime = '', blob]) => ({ blob: Number(blob), mime: mime.toLowerCase() }));
}

/** The words of a text without the images that stand in it. */
export function withoutImages(text: string): string {
  return text.replace(WRITTEN_IMAGE, '').trim();
}
