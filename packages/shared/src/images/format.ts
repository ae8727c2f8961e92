import type { ImageMime } from '../domain/job.ts';

export type Size = { width: number; height: number };

/** What is known about one image format: enough to judge a file by its bytes, nothing that decodes a pixel. */
export type Format = {
  mime: ImageMime;
  name: string;
  /** Whether the bytes begin as this format does. */
  matches: (bytes: Buffer) => boolean;
  /**
   * Width and height, once everything before the pixels has been seen; `undefined` when the bytes end earlier.
   *
   * @throws AppError `unsupported_media` when the header breaks the format's rules or announces an animation
   */
  readSize: (bytes: Buffer) => Size | undefined;
  /** Whether the file goes on to its proper end. Bytes after that end are not minded. */
  isWhole: (bytes: Buffer) => boolean;
};
