import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GoogleGenAI } from '@google/genai';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from '../server.ts';
import { apiErrorOf, imagesOf, MODEL } from '../testing/client.ts';
import { aContent, cloudPath, tell, textOf } from '../testing/modes.ts';

const HOUR = 3_600_000;
const TOKENS_OF_GOOGLE = 'https://oauth2.googleapis.com/token';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

let emulator: Emulator;
beforeEach(async () => {
  emulator = await startEmulator({ settings: { longest_side: 64 } });
});
afterEach(() => emulator.close());

const isTokenUrl = (url: string | URL | Request) => !(url instanceof Request) && url.toString() === TOKENS_OF_GOOGLE;

/** The real SDK with the real google-auth-library, whose one fixed address is led here. */
function cloudSdk(project = 'studio-1', account = emulator.control.serviceAccount(project)): GoogleGenAI {
  return new GoogleGenAI({
    vertexai: true,
    project,
    location: 'global',
    httpOptions: { baseUrl: emulator.url },
    googleAuthOptions: {
      credentials: account,
      scopes: ['https://www.googleapis.com/auth/cloud-platform'],
      clientOptions: {
        transporterOptions: {
          fetchImplementation: (url: string | URL | Request, init?: RequestInit) =>
            fetch(isTokenUrl(url) ? account.token_uri : url, init),
        },
      },
    },
  });
}

const generate = (path: string, token = 'studio-1.x', body: unknown = aContent()) =>
  tell(emulator, `${path}:generateContent`, body, token);

describe('through the SDK, by a service account', () => {
  it('makes an image, and is told as the cloud tells it', async () => {
    const answer = await cloudSdk().models.generateContent({
      model: MODEL,
      contents: 'a red bicycle',
      config: { imageConfig: { aspectRatio: '16:9', imageSize: '2K', personGeneration: 'ALLOW_ADULT' } },
    });

    expect(imagesOf({ candidates: JSON.parse(JSON.stringify(answer.candidates)) })).toHaveLength(1);
    expect(answer.createTime).toMatch(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(answer.usageMetadata?.trafficType).toBe('ON_DEMAND');
    expect(answer.usageMetadata?.candidatesTokensDetails?.map(({ modality }) => modality)).toEqual(['TEXT', 'IMAGE']);
    expect(answer.candidates?.[0]).not.toHaveProperty('index');
    expect(emulator.control.journal().entries).toMatchObject([
      { route: 'create_token', mode: 'vertex' },
      { route: 'generate_content', mode: 'vertex', project: 'studio-1', version: 'v1beta1', outcome: 'settled' },
    ]);
  });

  it('is refused in a project that is not its own', async () => {
    const other = emulator.control.serviceAccount('studio-2');
    const error = await apiErrorOf(cloudSdk('studio-1', other).models.generateContent({ model: MODEL, contents: 'x' }));

    expect(error.status).toBe(403);
    expect(error.message).toContain("Permission 'aiplatform.endpoints.predict' denied on resource");
  });

  it('is refused once its token is too old', async () => {
    const ai = cloudSdk();
    await ai.models.generateContent({ model: MODEL, contents: 'x' });

    emulator.control.advance(HOUR);

    const error = await apiErrorOf(ai.models.generateContent({ model: MODEL, contents: 'x' }));
    expect(error.status).toBe(401);
    expect(error.message).toContain('ACCESS_TOKEN_EXPIRED');
  });
});

describe('the token endpoint', () => {
  const ask = async (form: Record<string, string>) => {
    const response = await fetch(`${emulator.url}/token`, { method: 'POST', body: new URLSearchParams(form) });
    return { status: response.status, json: await response.json() };
  };

  it.each([
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: GRANT, assertion: 'not.a.jwt' }, 'invalid_grant'],
    [{ grant_type: GRANT }, 'invalid_grant'],
  ])('refuses %j', async (form, error) => {
    expect(await ask(form)).toMatchObject({ status: 400, json: { error } });
    expect(emulator.control.journal().entries[0]).toMatchObject({ route: 'create_token', outcome: 'rejected' });
  });

  it('can fail as every route can', async () => {
    emulator.control.putFaults([{ match: { route: 'create_token' }, fault: { kind: 'unavailable' } }]);

    expect((await ask({ grant_type: GRANT })).status).toBe(503);
  });
});

describe('by hand', () => {
  it.each([
    ['no token', '', 401, 'CREDENTIALS_MISSING'],
    ['a token that nobody gave', 'ya29.made-up', 401, 'ACCESS_TOKEN_TYPE_UNSUPPORTED'],
    ['one without a project', 'whatever', 401, 'ACCESS_TOKEN_TYPE_UNSUPPORTED'],
    ['an old one', 'expired-token', 401, 'ACCESS_TOKEN_EXPIRED'],
    ['one of another project', 'studio-2.x', 403, 'IAM_PERMISSION_DENIED'],
  ])('refuses %s', async (_, token, status, reason) => {
    const told = await generate(cloudPath('studio-1'), token);

    expect(told.status).toBe(status);
    expect(told.json['error']).toMatchObject({
      code: status,
      status: status === 401 ? 'UNAUTHENTICATED' : 'PERMISSION_DENIED',
      details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason }],
    });
    expect(emulator.control.bill()).toMatchObject({ calls: 0, images: 0 });
  });

  it('describes its models, and knows no others', async () => {
    const known = await tell(emulator, cloudPath('studio-1'), undefined, 'studio-1.x');
    const unknown = await generate(cloudPath('studio-1', 'gemini-3-pro-image-preview'));

    expect(known.json).toMatchObject({ name: `publishers/google/models/${MODEL}`, launchStage: 'GA' });
    expect(unknown.status).toBe(404);
    expect(unknown.json['error']?.['message']).toMatch(
      /^Publisher Model `projects\/studio-1\/locations\/global\/publishers\/google\/models\/gemini-3-pro-image-preview` was not found/,
    );
  });

  it('says of a full quota no more than that, unless the cloud names it', async () => {
    emulator.control.patchSettings({ projects: { 'studio-1': { quotas: { rpm: 1 } } } });
    await generate(cloudPath('studio-1'));
    const shared = await generate(cloudPath('studio-1'));
    emulator.control.patchSettings({ projects: { 'studio-1': { quotas: { rpm: 1, form: 'cloud' } } } });
    const named = await generate(cloudPath('studio-1'));

    expect(shared.json).toEqual({
      error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: expect.stringContaining('error-code-429') },
    });
    expect(named.json['error']?.['details']).toMatchObject([
      { reason: 'RATE_LIMIT_EXCEEDED', metadata: { quota_limit_value: '1' } },
      { '@type': 'type.googleapis.com/google.rpc.Help' },
    ]);
  });

  it('does not ask for signatures, and refuses what Vertex does not know', async () => {
    const unsigned = {
      contents: [
        { role: 'user', parts: [{ text: 'a cat' }] },
        { role: 'model', parts: [{ fileData: { fileUri: 'gs://pictures/a.png', mimeType: 'image/png' } }] },
        { role: 'user', parts: [{ text: 'make it red' }] },
      ],
    };

    expect((await generate(cloudPath('studio-1'), 'studio-1.x', unsigned)).status).toBe(200);
    expect((await generate(cloudPath('studio-1'), 'studio-1.x', { ...aContent(), prompt: 'x' })).status).toBe(400);
  });

  it('writes the type that was asked for', async () => {
    const generationConfig = { imageConfig: { imageOutputOptions: { mimeType: 'image/png' } } };
    const told = await generate(cloudPath('studio-1'), 'studio-1.x', { ...aContent(), generationConfig });
    const part = told.json['candidates']?.[0]?.['content']?.['parts']?.[0]?.['inlineData'];

    expect(part?.['mimeType']).toBe('image/png');
    expect((await sharp(Buffer.from(textOf(part?.['data']), 'base64')).metadata()).format).toBe('png');
  });

  it('looks objects of a bucket up where it is told to', async () => {
    const asked: (string | undefined)[] = [];
    const bucket = createServer(({ url }, response) => {
      asked.push(url);
      response.writeHead(url?.includes('there') ? 200 : 404).end('{}');
    });
    await new Promise<void>((resolve) => bucket.listen(0, '127.0.0.1', resolve));
    const { port } = bucket.address() as AddressInfo;
    emulator.control.patchSettings({ vertex: { gcs_endpoint: `http://127.0.0.1:${port}` } });
    const withObject = (name: string) => ({
      contents: [{ role: 'user', parts: [{ text: 'x' }, { fileData: { fileUri: `gs://pictures/${name}` } }] }],
    });

    const found = await generate(cloudPath('studio-1'), 'studio-1.x', withObject('a/there.png'));
    const missing = await generate(cloudPath('studio-1'), 'studio-1.x', withObject('gone.png'));
    bucket.close();

    expect([found.status, missing.status]).toEqual([200, 400]);
    expect(asked[0]).toBe('/storage/v1/b/pictures/o/a%2Fthere.png');
    expect(missing.json['error']?.['message']).toContain('gs://pictures/gone.png');
  });
});
