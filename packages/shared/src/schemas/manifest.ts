/** What a manifest says of a row: columns of a table, and fields of a JSON line. New ones come last. */
export const MANIFEST_COLUMNS = [
  'key',
  'status',
  'image_uri',
  'width',
  'height',
  'bytes',
  'sha256',
  'mime',
  'model',
  'lane',
  'channel',
  'attempts',
  'cost',
  'error_code',
  'error_message',
  'image_url',
  'late_image_urls',
] as const;

type Counted = 'width' | 'height' | 'bytes' | 'attempts';

/**
 * A row of a manifest; `null` where there is nothing to say (yet).
 *
 * `image_uri` is where the image lies, as the service sees it: `gs://…`, or a file of its own machine. `image_url` leads to
 * it from anywhere with an API key, for as long as the image is kept. `late_image_urls` are the like, with a blank between
 * them: images that were paid for and came after the row had ended. `cost` in dollars, as a decimal string.
 */
export type ManifestRow = { key: string; status: string; cost: string; attempts: number } & {
  [Column in (typeof MANIFEST_COLUMNS)[number]]: (Column extends Counted ? number : string) | null;
};
