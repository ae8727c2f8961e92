/** Which file lists the channels, and its text. */

import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { whyUnreadable } from './channels-unreadable.ts';
import { ConfigError } from './env.ts';

/** Where the program starts; the first that is there. */
export const CHANNELS_FILES = ['darkroom.config.yaml', 'darkroom.config.json'] as const;

/** Easily taken for one of them. */
const NEARLY = 'darkroom.config.yml';
const BYTES_MAX = 1_048_576;

/** @param name for messages */
type ChannelsFile = { file: string; name: string; text: string };

/**
 * @param path as `DARKROOM_CONFIG` names it, from `cwd`
 * @returns nothing where none is named and none is there
 * @throws ConfigError for one that cannot be read
 */
export function readChannelsFile(path: string | undefined, cwd: string): ChannelsFile | undefined {
  const name = path ?? CHANNELS_FILES.find((one) => existsSync(join(cwd, one)));
  if (name) {
    const file = resolve(cwd, name);
    return { file, name, text: textOf(file, path ? `DARKROOM_CONFIG names ${name}, which` : name) };
  }
  if (!existsSync(join(cwd, NEARLY))) return undefined;
  throw new ConfigError([
    `${NEARLY} is not looked for: call it ${CHANNELS_FILES[0]}, or set DARKROOM_CONFIG=${NEARLY}`,
  ]);
}

/** @param called what its faults are said of */
function textOf(file: string, called: string): string {
  const bytes = bytesOf(file, called);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  throw new ConfigError([`${called} is no text in UTF-8: save it as that`]);
}

function bytesOf(file: string, called: string): Buffer {
  try {
    const { size } = statSync(file);
    if (size <= BYTES_MAX) return readFileSync(file);
    throw new ConfigError([`${called} has ${size} bytes, and may have ${BYTES_MAX}: keep only channels in it`]);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([`${called} ${whyUnreadable(error)}`]);
  }
}
