/** Sizes in OpenAI's words. */
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import { GPT_IMAGE, type Model, nearestRatio, pixelsOf } from '../models.ts';

/** The imageConfig for `1536x1024`; none for `auto`. @throws GoogleError 400 for a size the model does not make. */
export function configOf(model: Model, size: string | null | undefined): Record<string, string> {
  if (size == null || size === 'auto') return {};
  const [, width = 0, height = 0] = (/^(\d{2,5})x(\d{2,5})$/.exec(size) ?? []).map(Number);
  if (width === 0 || height === 0) throw refused(size, `one of ${sizesOf(model).join(', ')} or auto`);
  if (model.id === GPT_IMAGE.id) {
    const ratio = Object.keys(model.pixels).find((ratio) => pixelsOf(model, '1K', ratio).join('x') === size);
    if (ratio === undefined) throw refused(size, `one of ${sizesOf(model).join(', ')} or auto`);
    return { aspectRatio: ratio };
  }
  const larger = Object.keys(model.imageTokens).filter((name) => SIDES[name] !== undefined);
  const nearest = larger.toSorted((a, b) => off(a, width, height) - off(b, width, height))[0] ?? '1K';
  return { aspectRatio: nearestRatio(model, width, height), imageSize: nearest };
}

const SIDES: Readonly<Record<string, number>> = { '512': 512, '1K': 1024, '2K': 2048, '4K': 4096 };

function off(size: string, width: number, height: number): number {
  return Math.abs(Math.log((SIDES[size] ?? 1024) / Math.sqrt(width * height)));
}

function sizesOf(model: Model): string[] {
  return Object.keys(model.pixels).map((ratio) => pixelsOf(model, '1K', ratio).join('x'));
}

function refused(size: string, supported: string): GoogleError {
  return new GoogleError({
    ...invalidArgument(`Invalid value: '${size.slice(0, 40)}'. Supported values are: ${supported}.`),
    reason: 'size',
  });
}
