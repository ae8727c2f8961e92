/** Channels of a file in the place of the one from the environment, with their limits; all of them the one provider. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChannels } from '@darkroom/shared/channels';
import { readChannels } from '@darkroom/shared/config';
import { limitsIn } from '@darkroom/shared/domain';
import { createRedisQuotas } from '@darkroom/shared/storage/redis';
import { createPlaces } from '@darkroom/shared/usecases';
import type { AttemptDeps } from '../../apps/worker/src/standard/deps.ts';
import type { TestAttempts } from './attempts.ts';

export type ChannelSettings = { id: string; models: Record<string, object>; order?: number; limits?: object };

/** @returns what attempts need, with these channels */
export async function withChannels(
  { deps, test, provider }: TestAttempts,
  channels: readonly ChannelSettings[],
  cleanup: AsyncDisposableStack,
): Promise<AttemptDeps> {
  const cwd = await mkdtemp(join(tmpdir(), 'channels-'));
  cleanup.defer(() => rm(cwd, { recursive: true, force: true }));
  const kind = { kind: 'gemini', credentials: { api_key: 'env:KEY' }, base_url: provider.url };
  const file = { channels: channels.map((one) => ({ ...kind, ...one })) };
  await writeFile(join(cwd, 'darkroom.config.json'), JSON.stringify(file));
  const { channels: configured } = readChannels({ env: { KEY: 'AIzaTestKey' }, cwd, credentials: 'resolve' });
  const { redis, prefix } = test;
  const { breakers, clock } = deps;
  const quotas = createRedisQuotas({ redis, prefix, limitsOf: limitsIn(configured), paced: true });
  const opened = cleanup.use(openChannels(configured, { clock }));
  return { ...deps, channels: opened, quotas, places: createPlaces({ breakers, quotas, clock }) };
}
