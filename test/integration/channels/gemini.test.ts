/** Gemini's own shape as relays speak it, and the options of the channel that carry it. What Google itself does is in `gemini-channel.test.ts`. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createGeminiChannel, type GeminiChannelOptions } from '@darkroom/shared/channels';
import { actualCost, type Capabilities, classify, type JobRequest } from '@darkroom/shared/domain';
import type { Exchange } from '@darkroom/shared/ports';
import { aReference, aRequest } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCaller, type Caller, type Sent } from '../../support/channel-calls.ts';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from '../../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const KEY = 'relay-key-of-no-known-form';
const image = randomBytes(50_000);
const inlineData = { mimeType: 'image/png', data: image.toString('base64') };
/** As relays answer: re-encoded to PNG, without signature, usage, `index` or names. */
const RELAYED = { candidates: [{ content: { role: 'model', parts: [{ inlineData }] }, finishReason: 'STOP' }] };

let cleanup: AsyncDisposableStack;
let caller: Caller;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  caller = cleanup.use(await aCaller());
});
afterEach(() => cleanup.disposeAsync());

const aStub = async (...script: [StubReply, ...StubReply[]]) => cleanup.use(await startStubProvider(...script));

function aRelay(stub: StubProvider, more: Partial<GeminiChannelOptions> = {}) {
  const options = { id: 'relay-1', apiKey: KEY, auth: 'bearer', apiVersion: 'v1beta', baseUrl: stub.url } as const;
  return cleanup.use(createGeminiChannel({ ...options, ...more }));
}

function answerOf(end: Exchange) {
  if (end.type !== 'answered') throw new Error(`${end.type}: ${end.reason}`);
  return end.answer;
}

async function answered(reply: StubReply) {
  const { end } = await caller.call(aRelay(await aStub(reply)), { request: aRequest({ model: PRO, size: '2K' }) });
  return answerOf(end);
}

describe('who calls', () => {
  it.each([
    ['bearer', { authorization: `Bearer ${KEY}` }, 'x-goog-api-key'],
    ['api_key', { 'x-goog-api-key': KEY }, 'authorization'],
  ] as const)('is said by %s, and in no other way', async (auth, header, other) => {
    const stub = await aStub(replyWith(200, RELAYED));

    await caller.call(aRelay(stub, { auth }));

    expect(stub.calls[0]?.headers).toMatchObject(header);
    expect(stub.calls[0]?.headers).not.toHaveProperty(other);
    expect(stub.calls[0]?.url).not.toContain(KEY);
  });

  it('has the id and the version it was given', async () => {
    const stub = await aStub(replyWith(200, RELAYED));
    const channel = aRelay(stub, { apiVersion: 'v1' });

    await caller.call(channel, { request: aRequest({ model: PRO }) });

    expect(channel.id).toBe('relay-1');
    expect(stub.calls[0]?.url).toBe(`/v1/models/${PRO}:generateContent`);
  });

  it.each([401, 403, 429, 500])('is kept out of a %i that repeats it', async (status) => {
    const message = `Incorrect API key provided: ${KEY}. Header: Bearer ${KEY}`;
    const answer = await answered(replyWith(status, { error: { message, type: 'new_api_error', code: 'x' } }));

    expect(JSON.stringify([answer, classify(answer)])).not.toContain(KEY);
    expect(answer.body).toMatchObject({ error: { message: expect.stringContaining('[removed]') } });
  });

  it('by a key so short that any answer holds it changes nothing in the answer', async () => {
    const stub = await aStub(replyWith(200, RELAYED));

    const { end } = await caller.call(aRelay(stub, { apiKey: 'STOP' }));

    expect(classify(answerOf(end))).toMatchObject({ type: 'image', finishReason: 'STOP' });
  });
});

describe('a model', () => {
  const models = {
    [PRO]: { providerModel: 'gemini-3-pro-image-preview' },
    'gemini-2.5-flash-image': { providerModel: 'nano-banana' },
  };

  it('goes by the relay’s own id, old preview ids too', async () => {
    const stub = await aStub(replyWith(200, RELAYED));

    await caller.call(aRelay(stub, { models }), { request: aRequest({ model: PRO }) });

    expect(stub.calls[0]?.url).toBe('/v1beta/models/gemini-3-pro-image-preview:generateContent');
  });

  it('with one size is not told a size under any name', async () => {
    const stub = await aStub(replyWith(200, RELAYED));

    await caller.call(aRelay(stub, { models }), { request: aRequest({ model: 'gemini-2.5-flash-image' }) });

    expect(stub.calls[0]?.url).toBe('/v1beta/models/nano-banana:generateContent');
    expect(JSON.parse(stub.calls[0]?.body ?? '')).not.toHaveProperty('generationConfig.imageConfig.imageSize');
  });
});

describe('what the relay cannot carry is never sent without it', () => {
  const capabilities: Capabilities = {
    sizes: ['1K'],
    aspectRatios: ['1:1'],
    references: 1,
    mimes: ['image/png'],
    thinking: false,
    seed: false,
    safety: false,
    tools: [],
    signatures: false,
  };
  const bytes = Buffer.from('one');

  it.each<[string, Partial<JobRequest>, Sent['references']]>([
    ['does not make size 4K', { size: '4K' }, []],
    ['does not make ratio 21:9', { aspectRatio: '21:9' }, []],
    ['takes at most 1 reference image, the job has 2', { references: [aReference(), aReference()] }, [bytes, bytes]],
    ['takes no image/webp', { references: [aReference({ mime: 'image/webp' })] }, [bytes]],
    ['takes references as bytes only', { references: [aReference()] }, [{ uri: 'gs://bucket/k' }]],
    ['has no thinking levels', { thinking: 'high' }, []],
    ['takes no seed', { seed: 7 }, []],
    ['takes no safety settings', { safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] }, []],
    ['has no google_search', { tools: ['google_search'] }, []],
  ])('%s', async (why, asked, references = []) => {
    const stub = await aStub(replyWith(200, RELAYED));
    const channel = aRelay(stub, { models: { [PRO]: { providerModel: PRO, capabilities } } });

    const { end } = await caller.call(channel, { request: aRequest({ model: PRO, ...asked }), references });

    expect(end).toEqual({ type: 'unsent', reason: expect.stringContaining(`this channel ${why}`) });
    expect(stub.connections).toBe(0);
  });
});

describe('an answer', () => {
  it('maps inlineData of a re-encoded png, without thoughtSignature', async () => {
    const answer = await answered(replyWith(200, RELAYED));

    expect(classify(answer)).toMatchObject({ type: 'image', mime: 'image/png', imagesBilled: 1 });
    expect(await readFile(answer.blobs[0]?.path ?? '')).toEqual(image);
    expect(answer.blobs).toHaveLength(1);
  });

  it('maps a missing usageMetadata to a price by the image', async () => {
    const verdict = classify(await answered(replyWith(200, RELAYED)));

    if (verdict.type !== 'image') throw new Error(verdict.type);
    expect(verdict.usage).toMatchObject({ missing: true, totalTokens: 0 });
    const cost = actualCost({ model: PRO, size: '2K' }, 'standard', verdict.usage, verdict.imagesBilled);
    expect(cost).toBeGreaterThanOrEqual(134_400);
  });

  it.each([
    ['parts: null', { content: { parts: null }, finishReason: 'IMAGE_SAFETY', index: 0 }, 'blocked'],
    ['content: {}', { content: {}, finishReason: 'IMAGE_SAFETY' }, 'blocked'],
    ['content without parts', { content: { role: 'model' }, finishReason: 'PROHIBITED_CONTENT' }, 'blocked'],
    ['no content', { finishReason: 'IMAGE_RECITATION' }, 'blocked'],
    ['parts: null', { content: { parts: null }, finishReason: 'STOP' }, 'no_image'],
    ['parts: null', { content: { parts: null }, finishReason: null }, 'no_image'],
  ])('maps %s (%o)', async (_, candidate, type) => {
    expect(classify(await answered(replyWith(200, { candidates: [candidate] })))).toMatchObject({ type });
  });

  it('maps candidates: null', async () => {
    expect(classify(await answered(replyWith(200, { candidates: null, usageMetadata: null })))).toMatchObject({
      type: 'no_image',
    });
  });
});

describe('the relay’s own error envelope', () => {
  const envelope = (message: string, code: unknown = 'bad_response_status_code', type = 'new_api_error') => ({
    error: { message, type, param: '', code },
  });

  it.each([
    [401, envelope('Invalid token'), { code: 'upstream_auth', channelDown: true }],
    [
      403,
      envelope('User quota is not enough', 'insufficient_user_quota'),
      { code: 'upstream_auth', channelDown: true },
    ],
    [429, envelope('Too many requests'), { code: 'upstream_rate_limited', limit: 'unknown', retryable: true }],
    [429, envelope('Please retry in 12s.'), { code: 'upstream_rate_limited', retryAfterMs: 12_000 }],
    [400, envelope('invalid image size'), { code: 'upstream_rejected', retryable: false }],
    [404, envelope('no such model', 'model_not_found'), { code: 'model_retired', retryable: false }],
    [500, envelope('upstream error', null), { code: 'upstream_unavailable', retryable: true }],
    [502, envelope('bad gateway', 502), { code: 'upstream_unavailable', retryable: true }],
    [503, envelope('No available channel'), { code: 'upstream_overloaded', retryable: true }],
  ])('maps error{message,type,code} of a %i (%o)', async (status, body, verdict) => {
    const { message } = body.error;

    expect(classify(await answered(replyWith(status, body)))).toMatchObject({
      type: 'rejected',
      http: status,
      message,
      ...verdict,
    });
  });

  it.each([524, 504])('maps a %i of the proxy before it, a page of HTML, to an outcome in doubt', async (status) => {
    const page = `<!DOCTYPE html><html><head><title>relay | ${status}: A timeout occurred</title></head></html>`;

    expect(classify(await answered(replyWith(status, page)))).toMatchObject({ type: 'in_doubt', http: status });
  });

  it.each([521, 522, 523])('maps a %i of the proxy, which reached nobody, to another try', async (status) => {
    expect(classify(await answered(replyWith(status, `<html>error ${status}</html>`)))).toMatchObject({
      type: 'rejected',
      code: 'upstream_unavailable',
      retryable: true,
    });
  });
});
