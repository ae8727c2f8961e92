import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkEnvironment, emulatorEnv, programEnvs, readSettings } from '../../scripts/lib/settings.mjs';

const CHANNELS = `
channels:
  - id: relay
    kind: openai
    base_url: https://relay.example.com/v1
    credentials: { api_key: env:RELAY_KEY }
    models: { pro: {} }
  - id: studio
    kind: vertex
    project: studio-1
    credentials: { access_token: env:STUDIO_TOKEN }
    models: { pro: {} }
  - id: other
    kind: openai
    base_url: https://other.example.com/v1
    credentials: { api_key: env:DARKROOM_API_KEY }
    models: { pro: {} }
`;
const SECRETS = { RELAY_KEY: 'key-of-the-relay', STUDIO_TOKEN: 'token-of-the-studio' };
const OWN = 'dk_live_own-key-of-this-installation';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'darkroom-settings-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('the secrets of a channels file', () => {
  it('are the worker’s alone, by whatever variables it names them', async () => {
    await writeFile(join(dir, 'channels.yaml'), CHANNELS);
    const given = { ...SECRETS, DARKROOM_API_KEY: OWN, DARKROOM_CONFIG: join(dir, 'channels.yaml'), BACKLOG_MAX: '5' };
    const settings = readSettings(given, dir);

    const channelSecrets = await checkEnvironment(process.execPath, settings);
    const { api, worker } = programEnvs(settings, {
      redisUrl: 'redis://127.0.0.1',
      port: 8080,
      metricsPort: 9090,
      apiKey: OWN,
      secret: 'a-secret-of-the-launcher',
      channelSecrets,
    });

    expect(channelSecrets.toSorted()).toEqual(['DARKROOM_API_KEY', 'RELAY_KEY', 'STUDIO_TOKEN']);
    expect(worker).toMatchObject({ ...SECRETS, DARKROOM_API_KEY: OWN });
    expect(api).toMatchObject({ DARKROOM_API_KEY: OWN, DARKROOM_CONFIG: given.DARKROOM_CONFIG, BACKLOG_MAX: '5' });
    for (const env of [api, emulatorEnv(settings, { port: 8090, channelSecrets })]) {
      expect(JSON.stringify(env)).not.toMatch(/key-of-the-relay|token-of-the-studio/);
    }
  });
});

describe('the emulator', () => {
  it('is started where nothing says how models are reached, or where its port is named', () => {
    expect(readSettings({}, dir)).toMatchObject({ emulated: true, emulatorPort: undefined });
    expect(readSettings({ GEMINI_API_KEY: 'x' }, dir)).toMatchObject({ emulated: false, emulatorPort: undefined });
    expect(readSettings({ DARKROOM_CONFIG: 'a.yaml', EMULATOR_PORT: '8090' }, dir)).toMatchObject({
      emulated: false,
      emulatorPort: 8090,
    });
  });
});
