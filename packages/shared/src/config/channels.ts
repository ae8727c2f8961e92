/**
 * The channels file: every way to reach a model that an operator lists, with its limits, prices and trust.
 *
 * Read at the start of both programs; the API reads it without the secrets. Every mistake is told at once, with its line
 * and what would be right. Without a file there is one channel, `gemini`, out of the environment.
 */

import { dirname } from 'node:path';
import type { Tenant } from '../domain/index.ts';
import type { Bounds, KeyBounds, Share } from '../ports/index.ts';
import { checkPlaces } from '../schemas/index.ts';
import { createBuilder, type Defaults } from './build-channel.ts';
import type { ConfiguredChannel } from './channel-connection.ts';
import { createMistakes, unknownName } from './channel-mistakes.ts';
import type { Env } from './channels-credentials.ts';
import { readChannelsFile } from './channels-file.ts';
import { ChannelsFile } from './channels-schema.ts';
import { parseText } from './channels-text.ts';
import { ConfigError } from './env.ts';
import { channelOfEnv } from './env-channel.ts';

export { CHANNELS_FILES } from './channels-file.ts';

/** What the provider allows an account, less some room. */
export const BATCH_DEFAULTS: Defaults = { batch: { slots: 80, enqueuedTokens: 2_000_000 } };

export type ChannelsConfig = {
  /** In the order of the file. */
  channels: ConfiguredChannel[];
  /** Who is not named has weight 1 and no bounds. */
  tenants: Record<Tenant, Share>;
  /** By the key's id. */
  keys: Record<string, KeyBounds>;
  /** For jobs that do not say whether they want it. */
  hedge: { enabled: boolean };
  placeholder: { enabled: boolean };
  /** Where it was read; absent = the environment. */
  file?: string;
};

export type ReadChannels = {
  /** As `DARKROOM_CONFIG` names it, from `cwd`; absent = `darkroom.config.yaml` or `.json` there, if there is one. */
  path?: string | undefined;
  /** In place of a file. */
  text?: string;
  env: Env;
  cwd: string;
  /** `resolve`: each secret is looked up now, and what is missing is told. `leave`: nobody looks before it is needed. */
  credentials: 'resolve' | 'leave';
  /** What the batch lane keeps to where a channel says nothing. */
  defaults?: Defaults;
};

/** @throws ConfigError naming every mistake at once */
export function readChannels(options: ReadChannels): ChannelsConfig {
  const { path, text, cwd } = options;
  if (text !== undefined) return parseChannels(text, { ...options, name: 'channels', folder: cwd });
  const found = readChannelsFile(path, cwd);
  if (found) {
    const { file, name } = found;
    return { ...parseChannels(found.text, { ...options, name, folder: dirname(file) }), file };
  }
  return { channels: [channelOfEnv({ defaults: BATCH_DEFAULTS, ...options })], ...NOTHING_SAID };
}

const NOTHING_SAID = { tenants: {}, keys: {}, hedge: { enabled: false }, placeholder: { enabled: false } };

type Named = ReadChannels & { name: string; folder: string };

/** The same of a text, with secrets in files looked for from `folder`. */
function parseChannels(text: string, options: Named): ChannelsConfig {
  const source = parseText(text, options.name);
  const mistakes = createMistakes(source, options.name);
  const { data: file, faults = [] } = checkPlaces(ChannelsFile, source.value, unknownName('here'));
  for (const { at, message } of faults) mistakes.add(at, message);
  const builder = createBuilder({ defaults: BATCH_DEFAULTS, ...options, mistakes });
  const channels = listOf(source.value).flatMap((raw, index) => builder.build(raw, index) ?? []);
  mistakes.throwAny();
  if (!file) throw new ConfigError([`${options.name} is not valid`]);
  return {
    channels,
    tenants: mapOf(file.tenants, ({ weight, ...bounds }) => ({ weight, ...boundsOf(bounds) })),
    keys: mapOf(file.keys, ({ submissions_per_minute: submissionsPerMinute, ...bounds }) => ({
      ...boundsOf(bounds),
      ...(submissionsPerMinute !== undefined && { submissionsPerMinute }),
    })),
    hedge: file.hedge ?? NOTHING_SAID.hedge,
    placeholder: file.placeholder ?? NOTHING_SAID.placeholder,
  };
}

/** Looked into also where the rest of the file is wrong, so that all of it is told. */
function listOf(value: unknown): unknown[] {
  const list = typeof value === 'object' && value !== null ? Reflect.get(value, 'channels') : undefined;
  return Array.isArray(list) ? list : [];
}

function mapOf<T, U>(record: Record<string, T> | null | undefined, to: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [name, to(value)]));
}

function boundsOf({
  concurrency,
  starts_per_minute: startsPerMinute,
}: {
  concurrency?: number | undefined;
  starts_per_minute?: number | undefined;
}): Bounds {
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(startsPerMinute !== undefined && { startsPerMinute }),
  };
}
