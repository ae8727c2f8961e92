/** Run with the environment of the programs: prints every mistake in it, of all programs at once. */

import { ConfigError, parseEnv } from '@darkroom/shared/config';
import { ApiEnv } from '../../apps/api/src/config.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';

const mistakes = [ApiEnv, WorkerEnv].flatMap((schema) => {
  try {
    parseEnv(schema, process.env);
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
