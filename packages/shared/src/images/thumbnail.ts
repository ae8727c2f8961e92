import { unsupported } from './refusal.ts';

export type Thumbnail = { bytes: Buffer; width: number; height: number };

// Above the largest panorama a model makes (12,288 × 1,536) and below what would fill the memory of a small machine.
const INPUT_PIXELS_MAX = 100_000_000;
// A 4K image takes a quarter of a second.
const TIMEOUT_S = 30;

/**
 * Sets up the decoder for the whole process; call it once, before the first thumbnail.
 *
 * Leaves only the loaders of formats that pass `probeImage`, so that a document that is drawn (SVG, PDF) never is.
 *
 * @param concurrency threads for one image; several images at a time are the caller's to limit
 */
export async function configureSharp({ concurrency }: { concurrency: number }): Promise<void> {
  const sharp = await loadSharp();
  sharp.concurrency(concurrency);
  // Each image is seen once: a cache would only hold memory and open files.
  sharp.cache(false);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: ['VipsForeignLoadPng', 'VipsForeignLoadJpeg', 'VipsForeignLoadWebp'] });
}

/**
 * A WebP copy of an image, turned upright, at most `maxEdge` pixels long and wide, never larger than the original.
 *
 * @param input path or bytes of an image that passed `probeImage`
 * @throws AppError `unsupported_media` when it cannot be decoded
 */
export async function makeThumbnail(input: string | Buffer, { maxEdge = 512 } = {}): Promise<Thumbnail> {
  const sharp = await loadSharp();
  const limits = {
    limitInputPixels: INPUT_PIXELS_MAX,
    failOn: 'error',
    sequentialRead: true,
    autoOrient: true,
  } as const;
  try {
    const { data, info } = await sharp(input, limits)
      .resize({ width: maxEdge, height: maxEdge, fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 80 })
      .timeout({ seconds: TIMEOUT_S })
      .toBuffer({ resolveWithObject: true });
    return { bytes: data, width: info.width, height: info.height };
  } catch (error) {
    throw unsupported('The image could not be decoded.', 'Save the image again with another program.', error);
  }
}

// Loaded when first needed: a process that only probes images stays without the native library.
async function loadSharp(): Promise<typeof import('sharp').default> {
  return (await import('sharp')).default;
}
