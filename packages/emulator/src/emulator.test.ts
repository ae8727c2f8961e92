import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MODELS, pixelsOf } from './models.ts';
import { type Emulator, startEmulator } from './server.ts';
import {
  aModel,
  aPicture,
  apiErrorOf,
  controlled,
  generate,
  imagesOf,
  MODEL,
  post,
  refused,
  sdk,
} from './testing/client.ts';

describe('through the SDK', () => {
  // One picture for each shape: the pixels are what counts here, and 4K pictures are slow to draw.
  let shapes: Emulator;
  beforeAll(async () => {
    shapes = await startEmulator({ settings: { render: 'fast', signature_bytes: 64 } });
  });
  afterAll(() => shapes.close());

  it.each(MODELS.map(({ id }) => id))('gives the exact pixels of every ratio and size of %s', async (id) => {
    const ai = sdk(shapes);
    const model = aModel(id);

    for (const size of Object.keys(model.imageTokens)) {
      for (const ratio of Object.keys(model.pixels)) {
        const config = { imageConfig: { aspectRatio: ratio, imageSize: size } };
        const answer = await ai.models.generateContent({ model: id, contents: 'a red bicycle', config });
        const [image] = imagesOf(answer as never);
        const { width, height, format } = await sharp(image).metadata();
        expect([size, ratio, width, height]).toEqual([size, ratio, ...pixelsOf(model, size, ratio)]);
        expect(`image/${format}`).toBe(model.mime);
      }
    }
  });

  it('answers with an image, a signature and usage that adds up', async () => {
    await using emulator = await startEmulator();
    const answer = await sdk(emulator).models.generateContent({ model: MODEL, contents: 'a red bicycle' });

    const usage = answer.usageMetadata;
    expect(answer.candidates?.[0]).toMatchObject({ finishReason: 'STOP', content: { role: 'model' } });
    expect(answer.candidates?.[0]?.content?.parts?.[0]?.thoughtSignature).toMatch(/^[\w+/]{5400,}$/);
    expect(answer.responseId).toMatch(/^[\w-]{23}$/);
    expect(answer.modelVersion).toBe(MODEL);
    expect(usage).toMatchObject({
      candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 1120 }],
      totalTokenCount:
        (usage?.promptTokenCount ?? 0) + (usage?.candidatesTokenCount ?? 0) + (usage?.thoughtsTokenCount ?? 0),
    });
    expect(answer.sdkHttpResponse?.headers?.['server-timing']).toMatch(/^gfet4t7; dur=\d+$/);
  });

  it('weighs like the real thing when asked to', async () => {
    await using emulator = await startEmulator({ settings: { render: 'full', signature_bytes: 'realistic' } });
    const answer = await generate(emulator);

    const [image] = imagesOf(answer);
    expect(image?.length).toBeGreaterThanOrEqual(650_000);
    expect(image?.length).toBeLessThanOrEqual(950_000);
    expect(answer.candidates?.[0]?.content?.parts?.[0]?.thoughtSignature?.length).toBeGreaterThan(1_060_000);
  });

  it('draws smaller when asked to', async () => {
    await using emulator = await startEmulator({ settings: { longest_side: 256 } });
    const body = { contents: [{ parts: [{ text: 'x' }] }], generationConfig: { imageConfig: { aspectRatio: '16:9' } } };

    const [image] = imagesOf(await generate(emulator, { body }));

    expect(await sharp(image).metadata()).toMatchObject({ width: 256, height: 143 });
  });

  it('gives PNG without signatures or thoughts from the model that does not think', async () => {
    await using emulator = await startEmulator();
    const answer = await sdk(emulator).models.generateContent({ model: 'gemini-2.5-flash-image', contents: 'a boat' });

    const part = answer.candidates?.[0]?.content?.parts?.[0];
    expect(part?.inlineData?.mimeType).toBe('image/png');
    expect(part).not.toHaveProperty('thoughtSignature');
    expect(answer.usageMetadata).not.toHaveProperty('thoughtsTokenCount');
  });

  it('streams one part in each event, and the finish reason in the last', async () => {
    await using emulator = await startEmulator({ settings: { text: 1 } });
    const stream = await sdk(emulator).models.generateContentStream({ model: MODEL, contents: 'a red bicycle' });

    const events = await Array.fromAsync(stream);
    expect(events.map(({ candidates }) => Object.keys(candidates?.[0]?.content?.parts?.[0] ?? {})[0])).toEqual([
      'text',
      'inlineData',
    ]);
    expect(events.map(({ candidates }) => candidates?.[0]?.finishReason)).toEqual([undefined, 'STOP']);
    expect(events.every(({ usageMetadata }) => usageMetadata !== undefined)).toBe(true);
  });

  it('lists the models and describes each', async () => {
    await using emulator = await startEmulator();
    const ai = sdk(emulator, 'test-key', 'v1');

    const names = (await Array.fromAsync(await ai.models.list())).map(({ name }) => name);
    const model = await ai.models.get({ model: MODEL });

    expect(names).toEqual(MODELS.map(({ id }) => `models/${id}`));
    expect(model).toMatchObject({ name: `models/${MODEL}`, inputTokenLimit: 65_536 });
  });

  it('edits: takes its own answer back with the signatures, and refuses it without', async () => {
    await using emulator = await startEmulator();
    const ai = sdk(emulator);
    const first = await ai.models.generateContent({ model: MODEL, contents: 'a red bicycle' });
    const turn = first.candidates?.[0]?.content ?? {};
    const stripped = { ...turn, parts: turn.parts?.map(({ inlineData }) => (inlineData ? { inlineData } : {})) ?? [] };
    const history = (turn: typeof stripped) => [
      { role: 'user', parts: [{ text: 'a red bicycle' }] },
      turn,
      { role: 'user', parts: [{ text: 'now blue' }] },
    ];

    const second = await ai.models.generateContent({ model: MODEL, contents: history(turn as typeof stripped) });
    const error = await apiErrorOf(ai.models.generateContent({ model: MODEL, contents: history(stripped) }));

    expect(second.candidates?.[0]?.content?.parts).toHaveLength(1);
    expect(error.status).toBe(400);
    expect(JSON.parse(error.message).error.message).toBe(
      'Image part is missing a thought_signature in content position 2, part position 1. Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior for more details.',
    );
    emulator.control.patchSettings({ strict_signatures: false });
    await ai.models.generateContent({ model: MODEL, contents: history(stripped) });
  });

  it('follows the shape of an input picture when no ratio is asked for, and counts its tokens', async () => {
    await using emulator = await startEmulator();
    const picture = { inlineData: { mimeType: 'image/png', data: await aPicture(160, 90) } };
    const answer = await sdk(emulator).models.generateContent({
      model: MODEL,
      contents: [{ text: 'repaint' }, picture],
    });

    expect(await sharp(imagesOf(answer as never)[0]).metadata()).toMatchObject({ width: 1376, height: 768 });
    expect(answer.usageMetadata?.promptTokensDetails).toContainEqual({ modality: 'IMAGE', tokenCount: 560 });
  });

  it('sends drafts before the result, now and then', async () => {
    await using emulator = await startEmulator({ settings: { drafts: 0.5, render: 'fast', signature_bytes: 64 } });
    const counts: number[] = [];
    for (let i = 0; i < 12; i += 1) counts.push(imagesOf(await generate(emulator)).length);

    expect(counts).toContain(1);
    expect(Math.max(...counts)).toBeGreaterThan(1);
    expect(emulator.control.bill().images).toBe(counts.reduce((sum, count) => sum + count, 0));
  });
});

describe('chance', () => {
  it('repeats itself for the same seed, and not for another', async () => {
    const answers = await Promise.all(
      ['one', 'one', 'two'].map(async (seed) => {
        await using emulator = await startEmulator({ seed });
        return [await generate(emulator), await generate(emulator, { prompt: 'a boat' })];
      }),
    );

    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]).not.toEqual(answers[2]);
  });
});

describe('keys and routes', () => {
  it.each([
    ['', 403, 'PERMISSION_DENIED', undefined],
    ['invalid-1', 400, 'INVALID_ARGUMENT', 'API_KEY_INVALID'],
    ['expired-1', 400, 'INVALID_ARGUMENT', 'API_KEY_EXPIRED'],
    ['leaked-1', 403, 'PERMISSION_DENIED', undefined],
  ])('refuses the key %j with %i', async (key, code, status, reason) => {
    await using emulator = await startEmulator();
    const error = await refused(emulator, { key });

    expect(error).toMatchObject({ code, status });
    expect(error.details?.[0]?.['reason']).toBe(reason);
    expect(emulator.control.bill().billed_calls).toBe(0);
  });

  it('takes the key from the query too, and every version of the API', async () => {
    await using emulator = await startEmulator();
    for (const version of ['v1', 'v1beta', 'v1alpha']) {
      const { status } = await fetch(`${emulator.url}/${version}/models?key=abc`);
      expect(status).toBe(200);
    }
    expect((await fetch(`${emulator.url}/v2/models?key=abc`)).status).toBe(404);
  });

  it('says of a retired model what Google says', async () => {
    await using emulator = await startEmulator();
    const error = await apiErrorOf(
      sdk(emulator).models.generateContent({ model: 'gemini-3-pro-image-preview', contents: 'x' }),
    );

    expect(error.status).toBe(404);
    expect(error.message).toContain('models/gemini-3-pro-image-preview is not found for API version v1beta');
  });

  it('serves a seeded file on both paths, and refuses one that is not there', async () => {
    await using emulator = await startEmulator();
    const bytes = Buffer.from('{"key":"a"}\n');
    const seeded = await fetch(`${emulator.url}/__emulator/files?name=batch-abc&mimeType=application/jsonl`, {
      method: 'POST',
      body: bytes,
    });
    expect(await seeded.json()).toMatchObject({ name: 'files/batch-abc', sizeBytes: '12' });

    for (const prefix of ['v1beta', 'download/v1beta']) {
      const file = await fetch(`${emulator.url}/${prefix}/files/batch-abc:download?alt=media&key=k`);
      expect(file.headers.get('content-type')).toBe('application/jsonl');
      expect(Buffer.from(await file.arrayBuffer())).toEqual(bytes);
    }
    const gone = await fetch(`${emulator.url}/v1/files/none:download?alt=media&key=k`);
    expect(gone.status).toBe(403);
    expect(await gone.text()).toContain('You do not have permission to access the File none or it may not exist.');
  });
});

describe('time', () => {
  it('takes the time of the model, scaled, and gives up at the deadline the client sets', async () => {
    await using emulator = await startEmulator({ settings: { latency: 0.001 } });
    await generate(emulator);
    expect(emulator.control.journal().entries[0]?.ms).toBeGreaterThan(5);

    emulator.control.patchSettings({ latency: 100 });
    const error = await refused(emulator, { headers: { 'x-server-timeout': '0.02' } });
    expect(error).toMatchObject({ code: 504, message: 'Deadline expired before operation could complete.' });
  });

  it('holds accepted calls until they are released', async () => {
    await using emulator = await startEmulator({ settings: { hold: true } });
    const calls = [generate(emulator), generate(emulator), generate(emulator)];
    await emulator.control.when(({ n, held }) => n === 3 && held === true);
    expect(emulator.control.bill()).toMatchObject({ calls: 3, billed_calls: 0 });

    expect(emulator.control.release(1)).toBe(1);
    await Promise.race(calls);
    expect(emulator.control.bill().billed_calls).toBe(1);

    await controlled(emulator, 'PATCH', 'settings', { hold: false });
    expect(await (await controlled(emulator, 'POST', 'release')).json()).toEqual({ released: 2 });
    await Promise.all(calls);
  });

  it('closes at once, whatever still waits', async () => {
    const emulator = await startEmulator({ settings: { latency: 100 } });
    const slow = post(emulator).catch((error: unknown) => error);
    await emulator.control.when(({ prompt }) => prompt !== undefined);

    await emulator.close();

    expect(await slow).toBeInstanceOf(TypeError);
    await emulator.close();
  });
});

describe('wishes in a prompt', () => {
  it('sets weight, latency and fault of one call', async () => {
    await using emulator = await startEmulator();

    const [image] = imagesOf(
      await generate(emulator, { prompt: 'a boat [[emulator image_bytes=500000 latency_ms=1]]' }),
    );
    const error = await refused(emulator, { prompt: 'a boat [[emulator fault=overloaded]]' });

    expect(image?.length).toBe(500_000);
    expect(error.code).toBe(503);
    expect((await refused(emulator, { prompt: 'x [[emulator image_byte=1]]' })).message).toContain('image_byte');
  });
});
