/** What a channel offers when its file says nothing, by kind; always within what the model itself can do. */

import { type Capabilities, type ChannelKind, IMAGE_MIMES, type Model } from '../domain/index.ts';
import type { FileCapabilities } from './channels-schema.ts';

/** Sizes of that interface are pixels: 1024x1024, 1536x1024, 1024x1536. */
const OPENAI_RATIOS = ['1:1', '3:2', '2:3'];

/** The provider's own id of a model, where the file names none. */
export function defaultProviderModel(kind: ChannelKind, model: string): string {
  return kind === 'openrouter' ? `google/${model}` : model;
}

/** @param said by the file, the later ones winning field by field */
export function capabilitiesOf(
  { kind, shape }: { kind: ChannelKind; shape?: 'chat' | 'images' },
  model: Model,
  said: readonly (FileCapabilities | null | undefined)[],
): Capabilities {
  const own = defaultsOf(kind, shape, model);
  const { ratios = own.aspectRatios, ...wanted } = Object.assign({ ...own }, ...said) as Capabilities &
    FileCapabilities;
  return {
    sizes: model.sizes.filter((size) => wanted.sizes.includes(size)),
    aspectRatios: model.aspectRatios.filter((ratio) => ratios.includes(ratio)),
    references: Math.min(wanted.references, model.references.max),
    mimes: wanted.mimes,
    thinking: wanted.thinking && model.thinking.length > 0,
    seed: wanted.seed,
    safety: wanted.safety,
    tools: model.tools.filter((tool) => wanted.tools.includes(tool)),
    signatures: wanted.signatures,
  };
}

function defaultsOf(kind: ChannelKind, shape: 'chat' | 'images' | undefined, model: Model): Capabilities {
  const all: Capabilities = {
    sizes: model.sizes,
    aspectRatios: model.aspectRatios,
    references: model.references.max,
    mimes: IMAGE_MIMES,
    thinking: true,
    seed: true,
    safety: true,
    tools: model.tools,
    signatures: true,
  };
  if (kind === 'gemini' || kind === 'vertex') return all;
  const plain = { ...all, thinking: false, safety: false, tools: [], signatures: false };
  if (kind === 'openrouter') return { ...plain, seed: shape === 'images' };
  return { ...plain, seed: false, sizes: ['1K'], aspectRatios: OPENAI_RATIOS };
}
