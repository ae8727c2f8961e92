/**
 * The model catalogue: what each model can do, what it costs, when it goes.
 *
 * Source: the provider's model, pricing and changelog pages as of 2026-11. Prices in USD per million tokens are
 * also micro-dollars per token, which is how they are used.
 */

import { LANES, type Lane, type ReferenceRole } from './job.ts';

const RATIOS_COMMON = ['1:1', '2:3', '3:2', '3:4', '4:3', '4:5', '5:4', '9:16', '16:9', '21:9'] as const;
const RATIOS_ALL = [...RATIOS_COMMON, '1:4', '4:1', '1:8', '8:1'] as const;

export type Rates = { input: number; text: number; image: number };

/**
 * What an answer is billed for beside its image.
 *
 * Source: the usage of 49 answers of models that think, measured by a reseller in the summer of 2026. Candidate tokens
 * exceed those of the images by 88 to 630, and thoughts come on top: 40 to 160 at level `minimal`, 150 to 700 at others.
 * Of 100 answers 5 to 10 carry interim images, mostly one to three (ten were seen), each counted as an image; the
 * provider's pages say that these are free, its usage does not. Words are taken at their mean, interim images at the
 * upper end of their range, since what is capped by an estimate should not stop short of it.
 */
export type Besides = {
  /** Tokens at the text rate by thinking level; `default` when none is asked for, or it makes no difference. */
  textTokens: Readonly<{ default: number } & Record<string, number>>;
  /** Interim images an image. */
  drafts: number;
};

const WORDS_AND_THOUGHTS = 800;
const WORDS_AND_FEW_THOUGHTS = 460;
const DRAFTS = 0.2;

export type Model = {
  id: string;
  name: string;
  aliases: readonly string[];
  status: 'available' | 'deprecated';
  /** The day the provider has announced (or is reported) to switch it off. */
  retiresOn?: string;
  successor?: string;
  sizes: readonly string[];
  defaultSize: string;
  aspectRatios: readonly string[];
  /** `tokens` = what the provider counts for each of them. */
  references: { max: number; byRole: Partial<Record<ReferenceRole, number>>; tokens: number };
  thinking: readonly string[];
  tools: readonly 'google_search'[];
  lanes: readonly Lane[];
  /** Micro-dollars per token, standard lane. */
  rates: Rates;
  imageTokens: Readonly<Record<string, number>>;
  /** What is billed beside the image, as a rule; for estimates alone. */
  besides: Besides;
  /** An ordinary call's slowest end, in ms: the call is given up some time after it. */
  timeoutMs: number;
};

export const MODELS: readonly Model[] = [
  {
    id: 'gemini-3-pro-image',
    name: 'Nano Banana Pro',
    aliases: ['pro', 'nano-banana-pro'],
    status: 'available',
    sizes: ['1K', '2K', '4K'],
    defaultSize: '1K',
    aspectRatios: RATIOS_COMMON,
    references: { max: 14, byRole: { object: 6, character: 5 }, tokens: 560 },
    thinking: ['low', 'high'],
    tools: ['google_search'],
    lanes: LANES,
    rates: { input: 2, text: 12, image: 120 },
    imageTokens: { '1K': 1120, '2K': 1120, '4K': 2000 },
    // It thinks at any level.
    besides: { textTokens: { default: WORDS_AND_THOUGHTS }, drafts: DRAFTS },
    timeoutMs: 300_000,
  },
  {
    id: 'gemini-nano-banana-2.1',
    name: 'Nano Banana 2.1',
    aliases: ['flash', 'nano-banana-2.1'],
    status: 'available',
    sizes: ['1K', '2K', '4K'],
    defaultSize: '1K',
    aspectRatios: RATIOS_ALL,
    references: { max: 14, byRole: {}, tokens: 1120 },
    thinking: ['minimal', 'medium', 'high'],
    tools: ['google_search'],
    lanes: LANES,
    rates: { input: 1.5, text: 7.5, image: 30 },
    imageTokens: { '1K': 1120, '2K': 1680, '4K': 3780 },
    besides: {
      textTokens: { default: WORDS_AND_THOUGHTS, minimal: WORDS_AND_FEW_THOUGHTS },
      drafts: DRAFTS,
    },
    timeoutMs: 300_000,
  },
  {
    id: 'gemini-3.1-flash-image',
    name: 'Nano Banana 2',
    aliases: ['nano-banana-2'],
    status: 'deprecated',
    retiresOn: '2026-10-29',
    successor: 'gemini-nano-banana-2.1',
    sizes: ['512', '1K', '2K', '4K'],
    defaultSize: '1K',
    aspectRatios: RATIOS_ALL,
    references: { max: 14, byRole: { object: 10, character: 4, style: 3 }, tokens: 1120 },
    thinking: ['minimal', 'high'],
    tools: ['google_search'],
    lanes: LANES,
    rates: { input: 0.5, text: 3, image: 60 },
    imageTokens: { '512': 747, '1K': 1120, '2K': 1680, '4K': 2520 },
    besides: {
      textTokens: { default: WORDS_AND_FEW_THOUGHTS, high: WORDS_AND_THOUGHTS },
      drafts: DRAFTS,
    },
    timeoutMs: 300_000,
  },
  {
    id: 'gemini-3.1-flash-lite-image',
    name: 'Nano Banana 2 Lite',
    aliases: ['lite', 'nano-banana-2-lite'],
    status: 'available',
    sizes: ['1K'],
    defaultSize: '1K',
    aspectRatios: RATIOS_COMMON,
    references: { max: 14, byRole: { object: 14 }, tokens: 1120 },
    thinking: ['minimal', 'high'],
    tools: [],
    lanes: LANES,
    rates: { input: 0.25, text: 1.5, image: 30 },
    imageTokens: { '1K': 1120 },
    besides: {
      textTokens: { default: WORDS_AND_FEW_THOUGHTS, high: WORDS_AND_THOUGHTS },
      drafts: DRAFTS,
    },
    timeoutMs: 180_000,
  },
  {
    id: 'gemini-2.5-flash-image',
    name: 'Nano Banana',
    aliases: ['nano-banana'],
    status: 'deprecated',
    retiresOn: '2027-03-15',
    successor: 'gemini-nano-banana-2.1',
    sizes: ['1K'],
    defaultSize: '1K',
    aspectRatios: RATIOS_COMMON,
    references: { max: 3, byRole: {}, tokens: 258 },
    thinking: [],
    tools: [],
    lanes: LANES,
    rates: { input: 0.3, text: 2.5, image: 30 },
    imageTokens: { '1K': 1290 },
    // It does not think; a few words come now and then.
    besides: { textTokens: { default: 20 }, drafts: 0 },
    timeoutMs: 180_000,
  },
];

/** Ids that no longer answer, and the model that took their place. */
const RETIRED: Readonly<Record<string, { on: string; successor: string }>> = {
  'gemini-3-pro-image-preview': { on: '2026-06-25', successor: 'gemini-3-pro-image' },
  'gemini-3.1-flash-image-preview': { on: '2026-06-25', successor: 'gemini-3.1-flash-image' },
  'gemini-2.5-flash-image-preview': { on: '2026-01-15', successor: 'gemini-2.5-flash-image' },
  'gemini-2.0-flash-preview-image-generation': { on: '2025-11-14', successor: 'gemini-2.5-flash-image' },
  'gemini-2.0-flash-exp-image-generation': { on: '2025-11-14', successor: 'gemini-2.5-flash-image' },
};

/** Models of another kind that are gone: nothing takes their place by itself. */
const GONE = /^imagen-/;

export const DEFAULT_MODEL = 'flash';

export type ModelChoice =
  | { type: 'model'; model: Model; warning?: string }
  | { type: 'gone'; successor: string }
  | { type: 'unknown' };

/** The model behind an id, an alias or a retired id; a warning when that is not quite what was asked for. */
export function chooseModel(asked: string): ModelChoice {
  const model = MODELS.find((row) => row.id === asked || row.aliases.includes(asked));
  if (model) return withWarning(model);
  const retired = RETIRED[asked];
  const successor = retired && MODELS.find((row) => row.id === retired.successor);
  if (successor) {
    const warning = `Model ${asked} was shut down on ${retired.on}; ${successor.id} is used instead.`;
    return { type: 'model', model: successor, warning };
  }
  return GONE.test(asked) ? { type: 'gone', successor: 'gemini-nano-banana-2.1' } : { type: 'unknown' };
}

function withWarning(model: Model): ModelChoice {
  if (model.status === 'available') return { type: 'model', model };
  const warning = `Model ${model.id} is deprecated${model.retiresOn ? ` and reported to end on ${model.retiresOn}` : ''}; move to ${model.successor}.`;
  return { type: 'model', model, warning };
}

/** The catalogue row of a resolved id. @throws RangeError for an id that is not in the catalogue */
export function modelById(id: string): Model {
  const model = MODELS.find((row) => row.id === id);
  if (!model) throw new RangeError(`no such model: ${id}`);
  return model;
}
