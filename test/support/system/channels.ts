/** Several channels for a system: a channels file, in which each channel is an account of its own at the provider. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { EmulatorOptions, SettingsPatch } from '@darkroom/emulator';
import type { Env } from './program.ts';

/** One entry of the file; what is left out of the ways to reach it leads to the emulator, in the mode of its kind. */
export type TestChannel = {
  id: string;
  kind?: 'gemini' | 'vertex' | 'openrouter' | 'openai';
  models?: Record<string, object>;
  [field: string]: unknown;
};

export type ChannelsOption = {
  channels: readonly TestChannel[];
  hedge?: { enabled: boolean };
  placeholder?: { enabled: boolean };
  tenants?: Record<string, object>;
};

/** The emulator's part: a project for each channel, under its id. */
export function withAccounts(options: EmulatorOptions = {}, { channels }: ChannelsOption): EmulatorOptions {
  const { settings } = options;
  const projects: SettingsPatch['projects'] = {
    ...Object.fromEntries(channels.map(({ id }) => [id, {}])),
    ...settings?.projects,
  };
  return { ...options, settings: { ...settings, projects } };
}

/** Writes the file into `folder`. @returns what both programs are told of it, and what its channels are called with */
export async function writeChannels(
  { channels, ...rest }: ChannelsOption,
  { folder, url }: { folder: string; url: string },
): Promise<Env> {
  const path = join(folder, 'darkroom.config.json');
  await writeFile(path, JSON.stringify({ ...rest, channels: channels.map((one) => entryOf(one, url)) }));
  return { DARKROOM_CONFIG: path, ...keysOf(channels, 'AIzaCanaryOfAnAccount0000000000000000') };
}

/** Credentials that go on as `ending`, whose last four characters the provider's journal shows. */
export function keysOf(channels: readonly TestChannel[], ending: string): Env {
  return Object.fromEntries(channels.map(({ id }) => [variableOf(id), `${id}.${ending}`]));
}

function variableOf(id: string): string {
  return `KEY_OF_${id.replaceAll('-', '_').toUpperCase()}`;
}

function entryOf({ kind = 'gemini', ...own }: TestChannel, url: string): object {
  const key = `env:${variableOf(own.id)}`;
  const ways = {
    gemini: { base_url: url, credentials: { api_key: key } },
    vertex: { base_url: url, credentials: { access_token: key }, project: own.id, location: 'global' },
    openrouter: { base_url: `${url}/api/v1`, credentials: { api_key: key }, trust: { references: true, cost: true } },
    openai: { base_url: `${url}/v1beta/openai`, credentials: { api_key: key } },
  };
  return { kind, models: { 'gemini-3.1-flash-image': {}, 'gemini-3-pro-image': {} }, ...ways[kind], ...own };
}
