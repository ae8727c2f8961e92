/** The channels of a configuration file, opened: each kind by its own adapter, and each free to look at. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '@darkroom/emulator';
import { lookAtChannel, openChannels } from '@darkroom/shared/channels';
import { type ConfiguredChannel, readChannels } from '@darkroom/shared/config';
import { aRequest } from '@darkroom/shared/testing/factories';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aCaller } from '../../support/channel-calls.ts';

const clock = { now: Date.now };
const PRO = 'gemini-3-pro-image';
const { signal } = new AbortController();

let emulator: Emulator;
let folder: string;

beforeAll(async () => {
  emulator = await startEmulator({ settings: { render: 'fast', signature_bytes: 64 } });
  folder = await mkdtemp(join(tmpdir(), 'open-channels-'));
  await writeFile(join(folder, 'sa.json'), JSON.stringify(emulator.control.serviceAccount('studio-1')));
});
afterAll(async () => {
  await emulator?.close();
  await rm(folder, { recursive: true, force: true });
});

const ENV = { KEY: 'good-key', BAD: 'invalid-key', TOKEN: 'studio-1.token' };

/** All kinds of channels at the emulator, each serving one model that is there. */
function configured(
  credentials: 'resolve' | 'leave' = 'resolve',
  env: Record<string, string> = ENV,
): ConfiguredChannel[] {
  const { url } = emulator;
  const text = `
channels:
  - { id: gemini-a, kind: gemini, credentials: { api_key: env:KEY }, base_url: ${url}, models: { pro: {} } }
  - { id: relay, kind: gemini, auth: bearer, credentials: { api_key: env:KEY }, base_url: ${url}, models: { pro: { id: gemini-3-pro-image-preview } } }
  - { id: cloud, kind: vertex, credentials: { service_account: file:sa.json }, project: studio-1, base_url: ${url}, models: { pro: {} } }
  - { id: cloud-token, kind: vertex, credentials: { access_token: env:TOKEN }, project: studio-1, base_url: ${url}, models: { pro: {} } }
  - { id: router, kind: openrouter, credentials: { api_key: env:KEY }, base_url: ${url}/api/v1, models: { pro: {} } }
  - { id: compatible, kind: openai, credentials: { api_key: env:KEY }, base_url: ${url}/v1beta/openai, models: { pro: { id: ${PRO} } } }
`;
  const defaults = { batch: { slots: 1, enqueuedTokens: 0 } };
  return readChannels({ text, env, cwd: folder, credentials, defaults }).channels;
}

const IDS = ['gemini-a', 'relay', 'cloud', 'cloud-token', 'router', 'compatible'];

describe('the channels of a file', () => {
  it.each(IDS)('%s makes an image', async (id) => {
    await using channels = openChannels(configured(), { clock });
    await using caller = await aCaller();
    const channel = channels.get(id);
    if (!channel) throw new Error(`no channel ${id}`);

    const { end } = await caller.call(channel, { request: aRequest({ model: PRO, prompt: `for ${id}` }) });

    expect(channel.id).toBe(id);
    expect(end).toMatchObject({ type: 'answered', answer: { httpStatus: 200 } });
    expect(emulator.control.journal().entries.filter(({ prompt }) => prompt === `for ${id}`)).toHaveLength(1);
  });

  it.each(IDS)('%s is looked at, at no cost', async (id) => {
    await using channels = openChannels(configured(), { clock });
    const before = emulator.control.bill();

    expect(await channels.check(id, signal)).toMatchObject({ type: 'ok', unknownModels: [] });
    expect(emulator.control.bill()).toEqual(before);
  });

  it('are told in the order of the file, and no others are known', async () => {
    await using channels = openChannels(configured(), { clock });

    expect(channels.specs.map(({ id }) => id)).toEqual(IDS);
    expect(channels.get('another')).toBeUndefined();
    expect(await channels.check('another', signal)).toBeUndefined();
  });

  it('that lack their credentials are told all at once, by reference', () => {
    const open = () => openChannels(configured('leave', { TOKEN: ENV.TOKEN }), { clock });

    expect(open).toThrow(/channels\[0\]\S* names the variable KEY[^]*channels\[1\][^]*channels\[4\][^]*channels\[5\]/);
    expect(open).not.toThrow(/channels\[[23]\]/);
  });

  it('read a token that somebody else renews for each call', async () => {
    const env = { ...ENV };
    await using channels = openChannels(configured('resolve', env), { clock });
    await using caller = await aCaller();
    const channel = channels.get('cloud-token');
    if (!channel) throw new Error('no channel');

    env.TOKEN = 'expired.token';
    const late = await caller.call(channel, { request: aRequest({ model: PRO }) });
    env.TOKEN = '';
    const none = await caller.call(channel, { request: aRequest({ model: PRO }) });

    expect(late.end).toMatchObject({ type: 'answered', answer: { httpStatus: 401 } });
    expect(none.end).toMatchObject({ type: 'unsent', reason: expect.stringContaining('TOKEN') });
  });
});

describe('one channel', () => {
  const one = (id: string, list: ConfiguredChannel[]): ConfiguredChannel => {
    const found = list.find((channel) => channel.id === id);
    if (!found) throw new Error(`no channel ${id}`);
    return found;
  };

  it('is looked at without the others', async () => {
    expect(await lookAtChannel(one('cloud', configured()), { clock }, signal)).toMatchObject({ type: 'ok' });
  });

  it('whose credentials are not to be had here says so', async () => {
    const look = await lookAtChannel(one('router', configured('leave', {})), { clock }, signal);

    expect(look).toEqual({ type: 'unreadable', reason: expect.stringContaining('KEY') });
  });

  it('whose credentials are refused says so', async () => {
    const look = await lookAtChannel(
      one('gemini-a', configured('resolve', { ...ENV, KEY: ENV.BAD })),
      { clock },
      signal,
    );

    expect(look).toMatchObject({ type: 'refused', http: 400 });
    expect(JSON.stringify(look)).not.toContain(ENV.BAD);
  });
});
