/** Sizes as OpenAI's interface names them: pixels. Pure. */

import type { JobRequest } from '../../domain/job.ts';

type Pixels = readonly [width: number, height: number];

/** What OpenAI's own image models make. */
const OPENAI: Readonly<Record<string, Pixels>> = { '1:1': [1024, 1024], '3:2': [1536, 1024], '2:3': [1024, 1536] };

/** What Gemini's make of size 1K; the other sizes are multiples of it. */
const GEMINI: Readonly<Record<string, Pixels>> = {
  '1:1': [1024, 1024],
  '2:3': [848, 1264],
  '3:2': [1264, 848],
  '3:4': [896, 1200],
  '4:3': [1200, 896],
  '4:5': [928, 1152],
  '5:4': [1152, 928],
  '9:16': [768, 1376],
  '16:9': [1376, 768],
  '21:9': [1584, 672],
  '1:4': [512, 2048],
  '4:1': [2048, 512],
  '1:8': [384, 3072],
  '8:1': [3072, 384],
};
const TIMES: Readonly<Record<string, number>> = { '512': 0.5, '1K': 1, '2K': 2, '4K': 4 };

/** Whether it is one of OpenAI's own models, also behind a relay that writes whose it is. */
export function isOpenAiModel(model: string): boolean {
  return /(?:^|\/)(?:chat)?gpt-image/i.test(model);
}

/**
 * `1376x768` for 16:9 at 1K. Without a ratio and at 1K the model chooses, which is what leaving it out says; without a
 * ratio at any other size it is a square, since this interface cannot name a size alone.
 *
 * @throws Error that names the field for which there are no pixels
 */
export function pixelsOf(
  { size, aspectRatio }: Pick<JobRequest, 'size' | 'aspectRatio'>,
  model: string,
): string | undefined {
  if (aspectRatio === undefined && size === '1K') return undefined;
  const own = isOpenAiModel(model);
  const times = own && size !== '1K' ? undefined : TIMES[size];
  if (times === undefined) throw new Error(`size: ${model} makes no ${size} here`);
  const pixels = (own ? OPENAI : GEMINI)[aspectRatio ?? '1:1'];
  if (!pixels) throw new Error(`aspect_ratio: ${model} makes no ${aspectRatio} here`);
  return pixels.map((side) => side * times).join('x');
}
