/** Images as other APIs carry them, as parts of a generateContent body. */

const DATA_URL = /^data:([^;,]*);base64,/;

/** The part for a data: URL, or for an address that is taken as fetched. */
export function partOfUrl(url: string): Record<string, unknown> {
  const mimeType = DATA_URL.exec(url)?.[1];
  if (mimeType === undefined) return { fileData: { fileUri: url } };
  return { inlineData: { mimeType, data: url.slice(url.indexOf(',') + 1) } };
}

/** What stands before the base64 of a data: URL. */
export function dataUrlHead(mime: string): string {
  return `data:${mime};base64,`;
}
