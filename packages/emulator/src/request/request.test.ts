import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GoogleError } from '../http/google-error.ts';
import { type Emulator, startEmulator } from '../server.ts';
import { aPicture, generate, MODEL, post, refused } from '../testing/client.ts';
import { GENERATE_CONTENT_FIELDS } from './fields.ts';
import { readMessage } from './message.ts';

const like = (pattern: RegExp): unknown => expect.stringMatching(pattern);
const contents = [{ role: 'user', parts: [{ text: 'a red bicycle' }] }];
const config = (generationConfig: unknown) => ({ contents, generationConfig });
const image = (size: string) => config({ imageConfig: { imageSize: size } });

describe('a request', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await startEmulator({ settings: { render: 'fast' } });
  });
  afterAll(() => emulator.close());

  it('may be written in snake_case', async () => {
    const body = {
      contents: [{ parts: [{ text: 'a' }, { inline_data: { mime_type: 'image/png', data: await aPicture() } }] }],
      generation_config: { response_modalities: ['IMAGE'], image_config: { aspect_ratio: '16:9', image_size: '1K' } },
    };

    expect((await generate(emulator, { body })).candidates).toHaveLength(1);
  });

  it.each<[name: string, body: unknown, message: unknown]>([
    [
      'an unknown name',
      { ...config({}), promt: 1 },
      'Invalid JSON payload received. Unknown name "promt": Cannot find field.',
    ],
    [
      'an unknown name further in',
      config({ imageConfig: { size: '1K' } }),
      'Invalid JSON payload received. Unknown name "size" at \'generation_config.image_config\': Cannot find field.',
    ],
    ['a wrong type', config({ seed: 'x' }), 'Invalid value at \'generation_config.seed\' (TYPE_INT32), "x"'],
    [
      'an unknown enum value',
      config({ responseModalities: ['SMELL'] }),
      like(/^Invalid value at 'generation_config.response_modalities\[0\]' \(type.googleapis.com/),
    ],
    ['no contents', { contents: [] }, '* GenerateContentRequest.contents: contents is not specified\n'],
    [
      'an unknown role',
      { contents: [{ role: 'robot', parts: [{ text: 'x' }] }] },
      'Please use a valid role: user, model.',
    ],
    ['a lower-case size', image('2k'), like(/image_size must be one of '1K', '2K', '4K'/)],
    ['a size of another model', image('512'), like(/image_size must be one of/)],
    [
      'a ratio of another model',
      config({ imageConfig: { aspectRatio: '8:1' } }),
      like(/aspect_ratio must be one of '1:1', /),
    ],
    ['several candidates', config({ candidateCount: 2 }), 'Multiple candidates is not enabled for this model'],
    [
      'text alone',
      config({ responseModalities: ['TEXT'] }),
      like(/^The requested combination of response modalities \(TEXT\) is not supported/),
    ],
    [
      'level and budget',
      config({ thinkingConfig: { thinkingLevel: 'HIGH', thinkingBudget: 1 } }),
      like(/only set only one/),
    ],
    [
      'functions',
      { contents, tools: [{ functionDeclarations: [] }] },
      'Function calling is not enabled for this model',
    ],
    [
      'broken base64',
      { contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: '%%' } }] }] },
      like(/\(TYPE_BYTES\), Base64 decoding failed for "%%"/),
    ],
    [
      'a picture that is none',
      { contents: [{ parts: [{ inlineData: { mimeType: 'image/png', data: 'aGVsbG8=' } }] }] },
      like(/^Unable to process input image/),
    ],
    [
      'SVG',
      { contents: [{ parts: [{ inlineData: { mimeType: 'image/svg+xml', data: 'aGVsbG8=' } }] }] },
      'Unsupported MIME type: image/svg+xml',
    ],
    ['broken JSON', '{"contents":', like(/^Invalid JSON payload received\./)],
  ])('with %s is refused in Google’s words', async (_, body, message) => {
    const error = await refused(emulator, { body });

    expect(error).toMatchObject({ code: 400, status: 'INVALID_ARGUMENT' });
    expect(error.message).toEqual(message);
  });

  it('is refused by what the model cannot do', async () => {
    const search = await refused(emulator, {
      model: 'gemini-2.5-flash-image',
      body: { contents, tools: [{ googleSearch: {} }] },
    });
    const level = await refused(emulator, {
      model: 'gemini-3.1-flash-image',
      body: config({ thinkingConfig: { thinkingLevel: 'MEDIUM' } }),
    });

    expect(search.message).toBe('Search Grounding is not supported for this model.');
    expect(level.message).toMatch(/^Thinking level MEDIUM is not supported for this model/);
  });

  it('takes fourteen pictures and refuses fifteen', async () => {
    const part = { inlineData: { mimeType: 'image/png', data: await aPicture() } };
    const body = (count: number) => ({
      contents: [{ parts: [{ text: 'mix' }, ...Array.from({ length: count }, () => part)] }],
    });

    expect((await post(emulator, { body: body(14) })).status).toBe(200);
    expect((await refused(emulator, { body: body(15) })).message).toContain('too many images: 15');
  });

  it('is refused for a file that expired, and takes a signed URL as fetched', async () => {
    const body = (fileUri: string) => ({ contents: [{ parts: [{ fileData: { fileUri, mimeType: 'image/png' } }] }] });

    const expired = await refused(emulator, {
      body: body('https://generativelanguage.googleapis.com/v1beta/files/abc'),
    });
    expect(expired).toMatchObject({
      code: 403,
      message: 'You do not have permission to access the File abc or it may not exist.',
    });
    expect((await post(emulator, { body: body('https://storage.example/x.png?sig=1') })).status).toBe(200);
  });

  it('shows its words in the journal also when it is refused', async () => {
    await refused(emulator, { body: { ...image('2k'), contents: [{ parts: [{ text: 'find me' }] }] } });

    expect(emulator.control.journal().entries.at(-1)).toMatchObject({
      prompt: 'find me',
      model: MODEL,
      outcome: 'rejected',
      http_status: 400,
    });
  });
});

function outcomeOf(json: unknown): unknown {
  try {
    readMessage(json, GENERATE_CONTENT_FIELDS);
    return 'read';
  } catch (error) {
    return error instanceof GoogleError ? 'refused' : error;
  }
}

describe('the reader of messages', () => {
  it('never fails but with a refusal, whatever JSON it is given', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (value, parts) => {
        const jsons = [value, { contents: value }, { contents: [{ parts }] }, { generationConfig: value }];
        expect(jsons.map(outcomeOf).filter((outcome) => outcome !== 'read' && outcome !== 'refused')).toEqual([]);
      }),
    );
  });
});
