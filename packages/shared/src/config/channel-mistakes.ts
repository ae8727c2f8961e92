import { didYouMean, pathOf } from '../schemas/index.ts';
import type { ChannelsText } from './channels-text.ts';
import { ConfigError } from './env.ts';

/** What is wrong with the channels file, gathered until all of it is known. */
export type Mistakes = {
  add(at: PropertyKey[], message: string): void;
  /** `darkroom.config.yaml:7: channels[0].id` */
  placeOf(at: PropertyKey[]): string;
  lineOf(at: PropertyKey[]): number;
  /** @throws ConfigError by line, when there is any */
  throwAny(): void;
};

/** @param name of the file */
export function createMistakes(source: ChannelsText, name: string): Mistakes {
  const found: { line: number; text: string }[] = [];
  const placeOf = (at: PropertyKey[]) => `${name}:${source.lineOf(at)}: ${pathOf(at) || 'the file'}`;
  return {
    add: (at, message) => void found.push({ line: source.lineOf(at), text: `${placeOf(at)} ${message}` }),
    placeOf,
    lineOf: (at) => source.lineOf(at),
    throwAny: () => {
      const lines = found.toSorted((a, b) => a.line - b.line).map(({ text }) => text);
      if (lines.length) throw new ConfigError([...new Set(lines)]);
    },
  };
}

/** What others call a field, where its own name is not near enough to be guessed. */
const OTHER_NAMES: readonly (readonly [string, string])[] = [
  ['region', 'location'],
  ['zone', 'location'],
  ['type', 'kind'],
  ['provider', 'kind'],
  ['name', 'id'],
  ['key', 'api_key'],
  ['token', 'access_token'],
  ['url', 'base_url'],
  ['endpoint', 'base_url'],
  ['priority', 'order'],
  ['requests_per_minute', 'rpm'],
  ['images_per_minute', 'ipm'],
  ['tokens_per_minute', 'tpm'],
  ['requests_per_day', 'rpd'],
  ['requests_per_minute', 'starts_per_minute'],
  ['rpm', 'starts_per_minute'],
];

/** Fields that are written a level too high, or too low. */
const HOMES: readonly { home: string; fields: readonly string[] }[] = [
  {
    home: 'limits of a model, such as models: { pro: { limits: { rpm: 600 } } }',
    fields: ['rpm', 'ipm', 'tpm', 'rpd', 'day'],
  },
  { home: 'limits of the channel itself', fields: ['spend_per_10m'] },
  { home: 'credentials', fields: ['api_key', 'service_account', 'access_token', 'adc'] },
  { home: 'price', fields: ['per_image', 'factor'] },
  { home: 'capabilities', fields: ['sizes', 'ratios', 'mimes', 'thinking', 'seed', 'safety', 'tools', 'signatures'] },
  { home: 'batch', fields: ['slots', 'enqueued_tokens', 'bucket'] },
];

/** What is said of a name that does not belong where it stands. @param where such as `for kind gemini` */
export function unknownName(where: string): (name: string, known: string[]) => string {
  return (name, known) => {
    const [, meant] = OTHER_NAMES.find(([other, own]) => other === name && known.includes(own)) ?? [];
    if (meant !== undefined) return `is not known ${where}; did you mean ${meant}?`;
    const home = HOMES.find(({ fields }) => fields.includes(name) && !fields.some((one) => known.includes(one)))?.home;
    if (home !== undefined) return `does not belong here, but below ${home}`;
    return `is not known ${where}${didYouMean(name, known) || `: leave it out; known are ${known.join(', ')}`}`;
  };
}
