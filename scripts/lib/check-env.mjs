/**
 * Run with the environment of the programs: prints every mistake in it and in the channels file, of all programs at once;
 * when there is none, the variables that hold secrets of channels, as a line of JSON.
 */

import { ConfigError, parseEnv, readChannels } from '@darkroom/shared/config';
import { ApiEnv } from '../../apps/api/src/config.ts';
import { WorkerEnv } from '../../apps/worker/src/config.ts';

const { env } = process;
const channels = { path: env.DARKROOM_CONFIG, env, cwd: process.cwd(), credentials: 'resolve' };
let secrets = [];
const checks = [
  () => parseEnv(ApiEnv, env),
  () => parseEnv(WorkerEnv, env),
  () => (secrets = secretsOf(readChannels(channels).channels)),
];
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
} else console.log(JSON.stringify(secrets));

/** What the API is set up by stays with it, whoever else looks there; but its own key, which it is handed apart. */
function secretsOf(configured) {
  const references = configured.flatMap(({ connection }) => referencesIn(connection));
  const names = references.filter((one) => one.startsWith('env:')).map((one) => one.slice('env:'.length));
  return [...new Set(names)].filter((name) => !(name in ApiEnv.shape) || name === 'DARKROOM_API_KEY');
}

function referencesIn(value) {
  if (typeof value !== 'object' || value === null) return [];
  return typeof value.reference === 'string' ? [value.reference] : Object.values(value).flatMap(referencesIn);
}
