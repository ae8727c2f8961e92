import { MODELS, type ServedModel } from '../domain/index.ts';
import type { Defaults } from './build-channel.ts';
import type { ConfiguredChannel } from './channel-connection.ts';
import { credentialOf, type Env } from './channels-credentials.ts';
import { capabilitiesOf } from './channels-defaults.ts';
import { ConfigError } from './env.ts';

type Options = { env: Env; cwd: string; credentials: 'resolve' | 'leave'; defaults: Defaults };

/** The one channel that `GEMINI_API_KEY`, `GEMINI_BASE_URL` and `GEMINI_RPM` describe: everything, for every model. @throws ConfigError without a key */
export function channelOfEnv({ env, cwd, credentials, defaults }: Options): ConfiguredChannel {
  const apiKey = credentialOf('env:GEMINI_API_KEY', { env, folder: cwd, place: 'the channel gemini' });
  if (credentials === 'resolve' && !env['GEMINI_API_KEY']) {
    throw new ConfigError(['GEMINI_API_KEY is required, unless DARKROOM_CONFIG names a file with channels']);
  }
  const rpm = Number(env['GEMINI_RPM'] || 0);
  const baseUrl = env['GEMINI_BASE_URL']?.replace(/\/+$/, '');
  const served = (model: (typeof MODELS)[number]): ServedModel => ({
    providerModel: model.id,
    // A window of whole calls: less than one a minute would never let any through.
    limits: { day: 'pacific', ...(rpm > 0 && { requestsPerMinute: Math.max(1, Math.floor(rpm)) }) },
    capabilities: capabilitiesOf({ kind: 'gemini' }, model, []),
  });
  return {
    id: 'gemini',
    kind: 'gemini',
    order: 1,
    weight: 1,
    models: Object.fromEntries(MODELS.map((model) => [model.id, served(model)])),
    limits: {},
    lanes: ['standard', 'batch'],
    trust: { references: true, cost: false },
    connection: { kind: 'gemini', auth: 'api_key', apiKey, ...(baseUrl && { baseUrl }) },
    batch: defaults.batch,
  };
}
