/** OpenAI's images interface over real sockets, and the contract against the emulator's modes of it. */

import { readFile } from 'node:fs/promises';
import { startEmulator } from '@darkroom/emulator';
import { createOpenAiChannel, createOpenRouterChannel, type OpenAiChannelOptions } from '@darkroom/shared/channels';
import { classify } from '@darkroom/shared/domain';
import { channelContract } from '@darkroom/shared/testing/channel-contract';
import { aReference, aRequest } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aCaller } from '../../support/channel-calls.ts';
import { startChannelWorld } from '../../support/channel-world.ts';
import { anImage } from '../../support/run-job.ts';
import { replyWith, type StubProvider, type StubReply, startStubProvider } from '../../support/stub-provider.ts';

const PRO = 'gemini-3-pro-image';
const FLASH = 'gemini-nano-banana-2.1';
const GOOD = 'sk-good-and-secret';
const REFUSED = 'invalid-and-secret';

const models = { [PRO]: { providerModel: 'gpt-image-1' }, [FLASH]: { providerModel: 'gpt-image-9' } };
const about = {
  model: PRO,
  unknownModel: FLASH,
  unservedModel: 'gemini-2.5-flash-image',
  secrets: [GOOD, REFUSED],
  tellsCost: false,
  tellsUnknown: true,
  tellsRetry: true,
};
const keyOf = (credentials: 'good' | 'refused') => (credentials === 'good' ? GOOD : REFUSED);
const flat = { settings: { relay: { price_micros: 40_000 } }, price: { perImage: { '1K': 40_000 } } };

channelContract('openai', () =>
  startChannelWorld({
    ...about,
    ...flat,
    open: ({ credentials, baseUrl }) =>
      createOpenAiChannel({ id: 'o', apiKey: keyOf(credentials), baseUrl: `${baseUrl}/v1`, models }),
  }),
);

channelContract('openai at Google’s compatible endpoint', () =>
  startChannelWorld({
    ...about,
    guessesCost: true,
    open: ({ credentials, baseUrl }) =>
      createOpenAiChannel({
        id: 'c',
        apiKey: keyOf(credentials),
        baseUrl: `${baseUrl}/v1beta/openai`,
        models: { [PRO]: { providerModel: PRO }, [FLASH]: { providerModel: 'gemini-nano-banana-9' } },
      }),
  }),
);

channelContract('openrouter’s chat at a relay that writes images into its words', () =>
  startChannelWorld({
    ...about,
    ...flat,
    tellsUnknown: false,
    listsModels: true,
    tellsRetry: false,
    open: ({ credentials, baseUrl }) =>
      createOpenRouterChannel({
        id: 'r',
        apiKey: keyOf(credentials),
        baseUrl: `${baseUrl}/v1`,
        models: { [PRO]: { providerModel: PRO }, [FLASH]: { providerModel: 'gemini-nano-banana-9' } },
      }),
  }),
);

const image = Buffer.from('not much of an image');
const OWN = {
  created: 1_795_000_000,
  background: 'opaque',
  output_format: 'png',
  quality: 'high',
  size: '1024x1024',
  data: [{ b64_json: image.toString('base64'), revised_prompt: 'a red mug, seen from above' }],
  usage: {
    input_tokens: 50,
    input_tokens_details: { image_tokens: 0, text_tokens: 50 },
    output_tokens: 4160,
    total_tokens: 4210,
  },
};
/** As Google's compatible endpoint has it. */
const BARE = { created: 1_795_000_000, data: [{ b64_json: image.toString('base64') }] };

let cleanup: AsyncDisposableStack;
let caller: Awaited<ReturnType<typeof aCaller>>;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  caller = cleanup.use(await aCaller());
});

afterEach(() => cleanup.disposeAsync());

const aStub = async (...script: [StubReply, ...StubReply[]]) => cleanup.use(await startStubProvider(...script));

function aChannel(stub: StubProvider, more: Partial<OpenAiChannelOptions> = {}) {
  return cleanup.use(createOpenAiChannel({ apiKey: GOOD, baseUrl: `${stub.url}/v1`, models, ...more }));
}

describe('a generation', () => {
  it('sends model, prompt, n, size and output_format to OpenAI’s own models', async () => {
    const stub = await aStub(replyWith(200, OWN));
    const request = aRequest({ model: PRO, aspectRatio: '3:2' });

    await caller.call(aChannel(stub), { request });

    expect(stub.calls).toHaveLength(1);
    const [call] = stub.calls;
    expect(call).toMatchObject({
      method: 'POST',
      url: '/v1/images/generations',
      headers: { authorization: `Bearer ${GOOD}`, 'content-type': 'application/json', 'accept-encoding': 'identity' },
    });
    expect(JSON.parse(call?.body ?? '')).toEqual({
      model: 'gpt-image-1',
      prompt: request.prompt,
      n: 1,
      size: '1536x1024',
      output_format: 'png',
    });
  });

  it('sends size in pixels and response_format to all others, Google among them', async () => {
    const stub = await aStub(replyWith(200, BARE));
    const channel = aChannel(stub, { baseUrl: `${stub.url}/v1beta/openai`, models: { [PRO]: { providerModel: PRO } } });

    await caller.call(channel, { request: aRequest({ model: PRO, size: '2K', aspectRatio: '16:9' }) });

    expect(stub.calls[0]?.url).toBe('/v1beta/openai/images/generations');
    expect(JSON.parse(stub.calls[0]?.body ?? '')).toMatchObject({
      model: PRO,
      size: '2752x1536',
      response_format: 'b64_json',
    });
  });

  it('is read by data, b64_json, output_format, revised_prompt and usage', async () => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(200, OWN))), {
      request: aRequest({ model: PRO }),
    });

    if (end.type !== 'answered') throw new Error(end.reason);
    expect(classify(end.answer)).toEqual({
      type: 'image',
      image: 0,
      mime: 'image/png',
      imagesBilled: 1,
      text: 'a red mug, seen from above',
      usage: { promptTokens: 50, imageTokens: 4160, textTokens: 0, totalTokens: 4210, missing: false },
    });
    expect(await readFile(end.answer.blobs[0]?.path ?? '')).toEqual(image);
  });

  it('without usage is an image of unknown type, and says that nothing was counted', async () => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(200, BARE))), {
      request: aRequest({ model: PRO }),
    });

    expect(end.type === 'answered' && classify(end.answer)).toMatchObject({
      mime: 'image/*',
      usage: { missing: true },
    });
  });

  it('with url in place of b64_json made no image, and nothing is fetched', async () => {
    const stub = await aStub(replyWith(200, { created: 1, data: [{ url: 'https://cdn.example/a.png' }] }));

    const { end } = await caller.call(aChannel(stub), { request: aRequest({ model: PRO }) });

    expect(end.type === 'answered' && classify(end.answer)).toMatchObject({
      type: 'no_image',
      message: expect.stringContaining('in place of b64_json'),
    });
    expect(stub.calls).toHaveLength(1);
  });

  it.each([
    [
      'wrapped into an array',
      429,
      [{ error: { code: 429, message: 'Quota.', status: 'RESOURCE_EXHAUSTED' } }],
      'upstream_rate_limited',
    ],
    [
      'of a relay, with message, type and code',
      500,
      { error: { message: 'bad', type: 'upstream_error', code: 'x' } },
      'upstream_unavailable',
    ],
    ['with a detail alone', 422, { detail: 'Unknown model' }, 'upstream_rejected'],
  ])('may be an error %s', async (_, status, body, code) => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(status, body))), {
      request: aRequest({ model: PRO }),
    });

    expect(end.type === 'answered' && classify(end.answer)).toMatchObject({ type: 'rejected', code, http: status });
  });

  it('that a proxy of a relay gave up on (524) is in doubt', async () => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(524, 'error code: 524'))), {
      request: aRequest({ model: PRO }),
    });

    expect(end.type === 'answered' && classify(end.answer)).toMatchObject({ type: 'in_doubt', http: 524 });
  });
});

describe('an edit', () => {
  it('sends the references as files, byte for byte, beside the fields of a generation', async () => {
    const stub = await aStub(async (response, call) => {
      forms.push(
        await new Response(call.body, { headers: { 'content-type': `${call.headers['content-type']}` } }).formData(),
      );
      await replyWith(200, OWN)(response, call);
    });
    const forms: FormData[] = [];
    const references = [aReference({ mime: 'image/jpeg', name: 'Ada "the" first', role: 'character' }), aReference()];
    const request = aRequest({ model: PRO, prompt: 'a mug\r\n--darkroom', aspectRatio: '2:3', references });

    const { end } = await caller.call(aChannel(stub), {
      request,
      references: [Buffer.from('one\r\n'), Buffer.from('two')],
    });

    expect(end).toMatchObject({ type: 'answered', answer: { dialect: 'images', httpStatus: 200 } });
    expect(stub.calls.map(({ url }) => url)).toEqual(['/v1/images/edits']);
    const fields = [...(forms[0] ?? [])].filter(([, value]) => typeof value === 'string');
    expect(Object.fromEntries(fields)).toEqual({
      model: 'gpt-image-1',
      prompt: `${request.prompt}\n\nImage 1 ("Ada "the" first", character reference)`,
      n: '1',
      size: '1024x1536',
      output_format: 'png',
    });
    const files = (forms[0]?.getAll('image[]') ?? []).filter((file) => file instanceof File);
    expect(files.map(({ name, type }) => [name, type])).toEqual([
      ['reference-1.jpg', 'image/jpeg'],
      ['reference-2.png', 'image/png'],
    ]);
    expect(await Promise.all(files.map((file) => file.text()))).toEqual(['one\r\n', 'two']);
  });
});

it('an edit is taken as what it is, its files among it', async () => {
  const emulator = cleanup.use(await startEmulator({ settings: { render: 'fast' } }));
  const channel = cleanup.use(createOpenAiChannel({ apiKey: GOOD, baseUrl: `${emulator.url}/v1`, models }));
  const references = [aReference(), aReference({ mime: 'image/jpeg' })];
  const bytes = [await anImage('png', { side: 32 }), await anImage('jpeg', { side: 32 })];

  const { end } = await caller.call(channel, { request: aRequest({ model: PRO, references }), references: bytes });

  expect(end.type === 'answered' && classify(end.answer)).toMatchObject({ type: 'image', mime: 'image/png' });
  expect(emulator.control.journal().entries.map(({ route }) => route)).toEqual(['image_edits']);
});

describe('what cannot be carried', () => {
  it.each([
    ['aspect_ratio', aRequest({ model: PRO, aspectRatio: '16:9' })],
    ['size', aRequest({ model: PRO, size: '4K' })],
    ['seed', aRequest({ model: PRO, seed: 1 })],
    ['thinking', aRequest({ model: PRO, thinking: 'high' })],
    ['tools', aRequest({ model: PRO, tools: ['google_search'] })],
    ['references', aRequest({ model: PRO, references: [aReference()] })],
  ])('is refused before anything is sent, naming %s', async (field, request) => {
    const stub = await aStub(replyWith(200, OWN));

    const { end } = await caller.call(aChannel(stub), { request });

    expect(end).toMatchObject({ type: 'unsent', reason: expect.stringContaining(field) });
    expect(stub.calls).toHaveLength(0);
  });
});

describe('a look', () => {
  it('finds what is served in the list of models, also under Google’s names', async () => {
    const stub = await aStub(replyWith(200, { object: 'list', data: [{ id: 'models/gpt-image-1' }, { id: 'x' }] }));

    const look = await aChannel(stub).look(new AbortController().signal);

    expect(look).toEqual({ type: 'ok', unknownModels: [FLASH], unseenModels: [] });
    expect(stub.calls.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v1/models']);
  });

  it('says of models that it saw no list of them', async () => {
    const stub = await aStub(replyWith(200, { ok: true }));

    expect(await aChannel(stub).look(new AbortController().signal)).toEqual({
      type: 'ok',
      unknownModels: [],
      unseenModels: [PRO, FLASH],
    });
  });
});
