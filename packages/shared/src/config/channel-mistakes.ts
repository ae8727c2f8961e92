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

/** What is said of a name that does not belong where it stands. @param where such as `for kind gemini` */
export function unknownName(where: string): (name: string, known: string[]) => string {
  return (name, known) =>
    `is not known ${where}${didYouMean(name, known) || `: leave it out; known are ${known.join(', ')}`}`;
}
