/** The image models the emulator serves: what each one accepts, how large its pictures are, what it bills. */

export type ModelId = string;
/** US dollars per million tokens, which is micro-dollars per token. */
type Rates = { input: number; text: number; image: number };

export type Model = {
  id: ModelId;
  displayName: string;
  mime: 'image/jpeg' | 'image/png';
  /** Parts carry a thought signature, and want it back. */
  signs: boolean;
  /** Tokens of one image, by size. Its keys are the sizes the model accepts. */
  imageTokens: Readonly<Record<string, number>>;
  /** Pixels at 1K, by ratio. Its keys are the ratios the model accepts. */
  pixels: Readonly<Record<string, Pixels>>;
  referencesMax: number;
  /** Prompt tokens of one reference image. */
  referenceTokens: number;
  /** Accepted levels, the default one first; none = the model does not think. */
  thinking: readonly string[];
  searches: boolean;
  rates: Rates;
  /** Typical milliseconds of one image: the median, its spread (sigma of the logarithm), and the medians of harder work. */
  latency: {
    medianMs: number;
    sigma: number;
    /** Thinking high. */
    highMs?: number;
    /** A long prompt, or many references. */
    complexMs?: number;
  };
  inputTokenLimit: number;
  outputTokenLimit: number;
};

export type Pixels = readonly [width: number, height: number];

const TEN_RATIOS: Readonly<Record<string, Pixels>> = {
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
};

const FOURTEEN_RATIOS: Readonly<Record<string, Pixels>> = {
  ...TEN_RATIOS,
  '1:4': [512, 2048],
  '4:1': [2048, 512],
  '1:8': [384, 3072],
  '8:1': [3072, 384],
};

const RATIOS_OF_2_5: Readonly<Record<string, Pixels>> = {
  '1:1': [1024, 1024],
  '2:3': [832, 1248],
  '3:2': [1248, 832],
  '3:4': [864, 1184],
  '4:3': [1184, 864],
  '4:5': [896, 1152],
  '5:4': [1152, 896],
  '9:16': [768, 1344],
  '16:9': [1344, 768],
  '21:9': [1536, 672],
};

const SCALE: Readonly<Record<string, number>> = { '512': 0.5, '1K': 1, '2K': 2, '4K': 4 };
// The one entry of the published table that is not a multiple of its 1K row.
const PANORAMA_512: Pixels = [792, 168];

const GEMINI_3 = { mime: 'image/jpeg', signs: true, referencesMax: 14 } as const;

export const MODELS: readonly Model[] = [
  {
    ...GEMINI_3,
    id: 'gemini-3-pro-image',
    displayName: 'Nano Banana Pro',
    imageTokens: { '1K': 1120, '2K': 1120, '4K': 2000 },
    pixels: TEN_RATIOS,
    referenceTokens: 560,
    thinking: ['high', 'minimal', 'low', 'medium'],
    searches: true,
    rates: { input: 2, text: 12, image: 120 },
    latency: { medianMs: 22_000, sigma: 0.25, complexMs: 65_000 },
    inputTokenLimit: 65_536,
    outputTokenLimit: 32_768,
  },
  {
    ...GEMINI_3,
    id: 'gemini-nano-banana-2.1',
    displayName: 'Nano Banana 2.1',
    imageTokens: { '1K': 1120, '2K': 1680, '4K': 3780 },
    pixels: FOURTEEN_RATIOS,
    referenceTokens: 1120,
    thinking: ['medium', 'minimal', 'high'],
    searches: true,
    rates: { input: 1.5, text: 7.5, image: 30 },
    latency: { medianMs: 24_000, sigma: 0.25, highMs: 32_000 },
    inputTokenLimit: 131_072,
    outputTokenLimit: 32_768,
  },
  {
    ...GEMINI_3,
    id: 'gemini-3.1-flash-image',
    displayName: 'Nano Banana 2',
    imageTokens: { '512': 747, '1K': 1120, '2K': 1680, '4K': 2520 },
    pixels: FOURTEEN_RATIOS,
    referenceTokens: 1120,
    thinking: ['minimal', 'high'],
    searches: true,
    rates: { input: 0.5, text: 3, image: 60 },
    latency: { medianMs: 12_500, sigma: 0.05, highMs: 20_500 },
    inputTokenLimit: 131_072,
    outputTokenLimit: 32_768,
  },
  {
    ...GEMINI_3,
    id: 'gemini-3.1-flash-lite-image',
    displayName: 'Nano Banana 2 Lite',
    imageTokens: { '1K': 1120 },
    pixels: TEN_RATIOS,
    referenceTokens: 1120,
    thinking: ['minimal', 'high'],
    searches: false,
    rates: { input: 0.25, text: 1.5, image: 30 },
    latency: { medianMs: 8_000, sigma: 0.1, highMs: 12_000 },
    inputTokenLimit: 65_536,
    outputTokenLimit: 32_768,
  },
  {
    id: 'gemini-2.5-flash-image',
    displayName: 'Nano Banana',
    mime: 'image/png',
    signs: false,
    imageTokens: { '1K': 1290 },
    pixels: RATIOS_OF_2_5,
    referencesMax: 14,
    referenceTokens: 258,
    thinking: [],
    searches: false,
    rates: { input: 0.3, text: 2.5, image: 30 },
    latency: { medianMs: 5_800, sigma: 0.04 },
    inputTokenLimit: 32_768,
    outputTokenLimit: 32_768,
  },
];

/** The one image model of OpenAI's that the emulator knows. */
export const GPT_IMAGE: Model = {
  id: 'gpt-image-1',
  displayName: 'GPT Image 1',
  mime: 'image/png',
  signs: false,
  imageTokens: { '1K': 4160 },
  pixels: { '1:1': [1024, 1024], '3:2': [1536, 1024], '2:3': [1024, 1536] },
  referencesMax: 16,
  referenceTokens: 323,
  thinking: [],
  searches: false,
  rates: { input: 5, text: 0, image: 40 },
  latency: { medianMs: 28_000, sigma: 0.3 },
  inputTokenLimit: 32_000,
  outputTokenLimit: 16_384,
};

const BY_ID = new Map(MODELS.map((model) => [model.id, model]));

/** The model, unless it was retired or never was: the emulator knows no difference, as Google's answer knows none. */
export function findModel(id: ModelId): Model | undefined {
  return BY_ID.get(id);
}

/** Exact pixels of an image of a size and ratio which the model accepts. */
export function pixelsOf(model: Model, size: string, ratio: string): Pixels {
  if (size === '512' && ratio === '21:9') return PANORAMA_512;
  const [width, height] = model.pixels[ratio] ?? [1024, 1024];
  const scale = SCALE[size] ?? 1;
  return [width * scale, height * scale];
}

/** The accepted ratio nearest to that of a picture of `width` x `height`. */
export function nearestRatio(model: Model, width: number, height: number): string {
  const distance = ([w, h]: Pixels): number => Math.abs(Math.log((w / h) * (height / width)));
  const [nearest] = Object.entries(model.pixels).sort(([, a], [, b]) => distance(a) - distance(b));
  return nearest?.[0] ?? '1:1';
}
