/** Run with the environment of the programs: prints every mistake in it and in the channels file, of all programs at once. */

import { ConfigError, parseEnv, readChannels } from '@darkroom/shared/config';
import { ApiEnv } from '../../apps/api/src/config.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';

const { env } = process;
const channels = { path: env.DARKROOM_CONFIG, env, cwd: process.cwd(), credentials: 'resolve' };
const checks = [() => parseEnv(ApiEnv, env), () => parseEnv(WorkerEnv, env), () => readChannels(channels)];
const mistakes = checks.flatMap((check) => {
  try {
    check();
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').slice(1);
  }
});
if (mistakes.length > 0) {
  console.error([...new Set(mistakes)].join('\n'));
  process.exitCode = 1;
}
