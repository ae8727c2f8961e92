/** OpenRouter's two shapes over real sockets, and the contract against the emulator's modes of them. */

import { readFile } from 'node:fs/promises';
import { startEmulator } from '@darkroom/emulator';
import { createOpenRouterChannel, type OpenRouterChannelOptions } from '@darkroom/shared/channels';
import { classify, type JobRequest } from '@darkroom/shared/domain';
import { channelContract } from '@darkroom/shared/testing/channel-contract';
import { aReference, aRequest } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCaller, type Sent } from '../../support/channel-calls.ts';
import { startChannelWorld } from '../../support/channel-world.ts';
import { anImage } from '../../support/run-job.ts';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from '../../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const GOOD = 'sk-or-v1-good-and-secret';
const REFUSED = 'invalid-and-secret';

const models = { [PRO]: { providerModel: `google/${PRO}` }, [FLASH]: { providerModel: 'google/gemini-nano-banana-9' } };
const about = {
  model: PRO,
  unknownModel: FLASH,
  unservedModel: 'gemini-2.5-flash-image',
  secrets: [GOOD, REFUSED],
  tellsCost: true,
  tellsUnknown: true,
  tellsRetry: true,
};

for (const shape of ['chat', 'images'] as const) {
  channelContract(`openrouter by ${shape}`, () =>
    startChannelWorld({
      ...about,
      open: ({ credentials, baseUrl }) =>
        createOpenRouterChannel({
          id: 'or',
          apiKey: credentials === 'good' ? GOOD : REFUSED,
          baseUrl: `${baseUrl}/api/v1`,
          shape,
          models,
        }),
    }),
  );
}

const image = Buffer.from('not much of an image');
const draft = Buffer.from('a draft of it');
const usage = {
  prompt_tokens: 22,
  completion_tokens: 1395,
  total_tokens: 1417,
  cost: 0.13784,
  is_byok: false,
  cost_details: { upstream_inference_cost: null },
  completion_tokens_details: { reasoning_tokens: 179, image_tokens: 1120 },
};
const url = (bytes: Buffer) => `data:image/png;base64,${bytes.toString('base64')}`;
const CHAT = {
  id: 'gen-1',
  provider: 'Google AI Studio',
  model: `google/${PRO}`,
  object: 'chat.completion',
  created: 1_795_000_000,
  choices: [
    {
      index: 0,
      logprobs: null,
      finish_reason: 'stop',
      native_finish_reason: 'STOP',
      message: {
        role: 'assistant',
        content: 'Here it is.',
        refusal: null,
        images: [draft, image].map((bytes, index) => ({ type: 'image_url', image_url: { url: url(bytes) }, index })),
        reasoning_details: [{ type: 'reasoning.encrypted', data: draft.toString('base64') }],
      },
    },
  ],
  usage,
};
const IMAGES = {
  created: 1_795_000_000,
  data: [{ b64_json: image.toString('base64'), media_type: 'image/jpeg' }],
  usage,
};

let cleanup: AsyncDisposableStack;
let caller: Awaited<ReturnType<typeof aCaller>>;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  caller = cleanup.use(await aCaller());
});

afterEach(() => cleanup.disposeAsync());

const aStub = async (...script: [StubReply, ...StubReply[]]) => cleanup.use(await startStubProvider(...script));

function aChannel(stub: StubProvider, more: Partial<OpenRouterChannelOptions> = {}) {
  return cleanup.use(createOpenRouterChannel({ apiKey: GOOD, baseUrl: `${stub.url}/api/v1`, models, ...more }));
}

async function sentBy(stub: StubProvider, shape: 'chat' | 'images', sent: Sent) {
  const { end } = await caller.call(aChannel(stub, { shape }), sent);
  const [call] = stub.calls;
  return { end, call, body: call && JSON.parse(call.body) };
}

const named = aReference({ mime: 'image/jpeg', name: 'Ada', role: 'character' });
const two = { request: { references: [named, aReference()] }, references: [Buffer.from('one'), Buffer.from('two')] };
const ONE = 'data:image/jpeg;base64,b25l';
const TWO = 'data:image/png;base64,dHdv';

describe('a chat', () => {
  it('sends model, messages, modalities, image_config and seed, and shows its key as a bearer', async () => {
    const stub = await aStub(replyWith(200, CHAT));
    const request = aRequest({ model: PRO, size: '2K', aspectRatio: '16:9', seed: 7, ...two.request });

    const { call, body } = await sentBy(stub, 'chat', { request, references: two.references });

    expect(stub.calls).toHaveLength(1);
    expect(call).toMatchObject({
      method: 'POST',
      url: '/api/v1/chat/completions',
      headers: { authorization: `Bearer ${GOOD}`, 'content-type': 'application/json', 'accept-encoding': 'identity' },
    });
    expect(body).toEqual({
      model: `google/${PRO}`,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: request.prompt },
            { type: 'text', text: 'Image 1 ("Ada", character reference):' },
            { type: 'image_url', image_url: { url: ONE } },
            { type: 'image_url', image_url: { url: TWO } },
          ],
        },
      ],
      modalities: ['image', 'text'],
      image_config: { aspect_ratio: '16:9', image_size: '2K' },
      seed: 7,
    });
  });

  it('says how much it is to think as effort of its reasoning', async () => {
    const { body } = await sentBy(await aStub(replyWith(200, CHAT)), 'chat', {
      request: aRequest({ model: PRO, thinking: 'high' }),
    });

    expect(body.reasoning).toEqual({ effort: 'high' });
  });

  it('names no size to the model that has but one', async () => {
    const model = 'gemini-2.5-flash-image';
    const stub = await aStub(replyWith(200, CHAT));

    await caller.call(aChannel(stub, { models: { [model]: { providerModel: model } } }), {
      request: aRequest({ model }),
    });

    expect(JSON.parse(stub.calls[0]?.body ?? '')).not.toHaveProperty('image_config');
  });

  it('is read by choices, message.images, content, finish reasons, usage, cost, model and id', async () => {
    const { end } = await sentBy(await aStub(replyWith(200, CHAT)), 'chat', { request: aRequest({ model: PRO }) });

    if (end.type !== 'answered') throw new Error(end.reason);
    const verdict = classify(end.answer);
    expect(verdict).toEqual({
      type: 'image',
      image: 1,
      mime: 'image/png',
      imagesBilled: 2,
      text: 'Here it is.',
      usage: { promptTokens: 22, imageTokens: 1120, textTokens: 275, totalTokens: 1417, missing: false },
      reportedCost: 137_840,
      modelVersion: `google/${PRO}`,
      responseId: 'gen-1',
      finishReason: 'STOP',
    });
    expect(await readFile(end.answer.blobs[1]?.path ?? '')).toEqual(image);
    expect(end.answer).toMatchObject({ dialect: 'chat', httpStatus: 200 });
  });

  it.each([
    ['on top', (error: object) => ({ error })],
    [
      'within the choice',
      (error: object) => ({ choices: [{ finish_reason: 'error', message: { content: '' }, error }] }),
    ],
  ])(
    'may end with code, message, metadata.provider_name and metadata.raw of an error %s, under 200',
    async (_, wrap) => {
      const metadata = { provider_name: 'Google AI Studio', raw: 'The model is overloaded.' };
      const reply = replyWith(200, wrap({ code: 503, message: 'Provider returned error', metadata }));

      const { end } = await sentBy(await aStub(reply), 'chat', { request: aRequest({ model: PRO }) });

      expect(end.type === 'answered' && classify(end.answer)).toMatchObject({
        type: 'rejected',
        code: 'upstream_overloaded',
        http: 503,
        message: 'Provider returned error: Google AI Studio: The model is overloaded.',
      });
    },
  );

  it('waits until x-ratelimit-reset, as the answer itself counts time', async () => {
    const date = new Date('2020-01-01T00:00:00Z');
    const headers = {
      date: date.toUTCString(),
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': `${+date + 42_000}`,
    };
    const reply = replyWith(429, { error: { code: 429, message: 'Rate limit exceeded' } }, headers);

    const { end } = await sentBy(await aStub(reply), 'chat', { request: aRequest({ model: PRO }) });

    expect(end.type === 'answered' && classify(end.answer)).toMatchObject({ http: 429, retryAfterMs: 42_000 });
  });

  it('is not sent again to where a redirect points', async () => {
    const stub = await aStub(replyWith(307, '', { location: '/elsewhere' }));

    const { end } = await sentBy(stub, 'chat', { request: aRequest({ model: PRO }) });

    expect(stub.calls).toHaveLength(1);
    expect(end).toMatchObject({ type: 'answered', answer: { httpStatus: 307 } });
  });
});

describe('images', () => {
  it('sends model, prompt, n, aspect_ratio, resolution, seed and input_references', async () => {
    const stub = await aStub(replyWith(200, IMAGES));
    const request = aRequest({ model: PRO, size: '4K', aspectRatio: '3:2', seed: 0, ...two.request });

    const { call, body } = await sentBy(stub, 'images', { request, references: two.references });

    expect(call?.url).toBe('/api/v1/images');
    expect(body).toEqual({
      model: `google/${PRO}`,
      prompt: `${request.prompt}\n\nImage 1 ("Ada", character reference)`,
      n: 1,
      aspect_ratio: '3:2',
      resolution: '4K',
      seed: 0,
      input_references: [
        { type: 'image_url', image_url: { url: ONE } },
        { type: 'image_url', image_url: { url: TWO } },
      ],
    });
  });

  it('are read by data, b64_json, media_type, usage and cost', async () => {
    const { end } = await sentBy(await aStub(replyWith(200, IMAGES)), 'images', { request: aRequest({ model: PRO }) });

    if (end.type !== 'answered') throw new Error(end.reason);
    expect(classify(end.answer)).toEqual({
      type: 'image',
      image: 0,
      mime: 'image/jpeg',
      imagesBilled: 1,
      usage: { promptTokens: 22, imageTokens: 1120, textTokens: 275, totalTokens: 1417, missing: false },
      reportedCost: 137_840,
    });
    expect(end.answer.body).toMatchObject({ data: [{ b64_json: '@blob:0' }] });
    expect(await readFile(end.answer.blobs[0]?.path ?? '')).toEqual(image);
  });
});

it.each(['chat', 'images'] as const)('references that go out by %s are seen and charged', async (shape) => {
  const emulator = cleanup.use(await startEmulator({ settings: { render: 'fast' } }));
  const channel = cleanup.use(
    createOpenRouterChannel({ apiKey: GOOD, baseUrl: `${emulator.url}/api/v1`, models, shape }),
  );
  const references = [await anImage('png', { side: 32 }), await anImage('jpeg', { side: 32 })];

  const alone = await caller.call(channel, { request: aRequest({ model: PRO }) });
  const beside = await caller.call(channel, { request: aRequest({ model: PRO, ...two.request }), references });

  const [few = 0, many = 0] = [alone, beside].map(({ end }) => {
    const verdict = end.type === 'answered' ? classify(end.answer) : undefined;
    return verdict?.type === 'image' ? verdict.usage.promptTokens : 0;
  });
  expect(few).toBeGreaterThan(0);
  expect(many - few).toBeGreaterThan(500);
});

describe('what cannot be carried', () => {
  const cases: ['chat' | 'images', string, Partial<JobRequest>][] = [
    ['chat', 'tools', { tools: ['google_search'] }],
    ['chat', 'safety', { safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'OFF' }] }],
    ['images', 'thinking', { thinking: 'high' }],
    ['images', 'references', two.request],
  ];

  it.each(cases)('is refused by %s before anything is sent, naming %s', async (shape, field, more) => {
    const stub = await aStub(replyWith(200, CHAT));

    const { end } = await sentBy(stub, shape, { request: aRequest({ model: PRO, ...more }) });

    expect(end).toMatchObject({ type: 'unsent', reason: expect.stringContaining(field) });
    expect(stub.calls).toHaveLength(0);
  });
});

describe('a look', () => {
  it('asks for the key first, and then for what makes images', async () => {
    const list = { data: [{ id: `google/${PRO}` }] };
    const stub = await aStub(replyWith(200, { data: { label: 'x' } }), replyWith(200, list));

    const look = await aChannel(stub).look(new AbortController().signal);

    expect(look).toEqual({ type: 'ok', unknownModels: [FLASH], unseenModels: [] });
    expect(stub.calls.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /api/v1/key',
      'GET /api/v1/models?output_modalities=image',
    ]);
  });

  it('is over when the key is refused', async () => {
    const stub = await aStub(replyWith(401, { error: { code: 401, message: 'User not found.' } }));

    const look = await aChannel(stub).look(new AbortController().signal);

    expect(look).toEqual({ type: 'refused', http: 401, message: 'User not found.' });
    expect(stub.calls).toHaveLength(1);
  });
});
