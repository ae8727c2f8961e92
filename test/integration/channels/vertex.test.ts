/** Vertex over real sockets: where a call goes, who it says is calling, and what becomes of it when nobody may. */

import { generateKeyPairSync, verify } from 'node:crypto';
import { startEmulator } from '@darkroom/emulator';
import { createVertexChannel, type VertexChannelOptions, vertexBaseUrl } from '@darkroom/shared/channels';
import { classify, type Reference } from '@darkroom/shared/domain';
import type { Exchange } from '@darkroom/shared/ports';
import { aRequest } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aCaller, type Caller } from '../../support/channel-calls.ts';
import {
  dropConnection,
  hang,
  replyWith,
  type StubProvider,
  type StubReply,
  startStubProvider,
} from '../../support/stub-provider.ts';

const MINUTE = 60_000;
const PRO = 'gemini-3-pro-image';
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});

const IMAGE = Buffer.from('not much of an image');
/** As Vertex answers: with `createTime` and `trafficType`, a TEXT entry beside the images', and no `index`. */
const SUCCESS = {
  candidates: [
    {
      content: { role: 'model', parts: [{ inlineData: { mimeType: 'image/png', data: IMAGE.toString('base64') } }] },
      finishReason: 'STOP',
    },
  ],
  createTime: '2026-11-20T12:00:00.123456Z',
  modelVersion: PRO,
  responseId: 'abc-DEF_123',
  usageMetadata: {
    promptTokenCount: 22,
    candidatesTokenCount: 1216,
    thoughtsTokenCount: 179,
    totalTokenCount: 1417,
    trafficType: 'ON_DEMAND',
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: 22 }],
    candidatesTokensDetails: [
      { modality: 'TEXT', tokenCount: 96 },
      { modality: 'IMAGE', tokenCount: 1120 },
    ],
  },
};

let cleanup: AsyncDisposableStack;
let caller: Caller;
/** The clock of a test, moved by hand. */
let now: number;

beforeEach(async () => {
  now = Date.now();
  cleanup = new AsyncDisposableStack();
  caller = cleanup.use(await aCaller());
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await cleanup.disposeAsync();
});

const aStub = async (...script: [StubReply, ...StubReply[]]) => cleanup.use(await startStubProvider(...script));

function aChannel(stub: Pick<StubProvider, 'url'>, more: Partial<VertexChannelOptions> = {}) {
  const credentials = { type: 'access_token', read: () => 'ya29.given' } as const;
  const place = { project: 'studio-1', location: 'europe-west4', clock: { now: () => now } };
  return cleanup.use(createVertexChannel({ id: 'vertex-eu', baseUrl: stub.url, ...place, credentials, ...more }));
}

function answerOf(end: Exchange) {
  if (end.type !== 'answered') throw new Error(`${end.type}: ${end.reason}`);
  return end.answer;
}

it.each([
  ['global', 'https://aiplatform.googleapis.com'],
  ['us-central1', 'https://us-central1-aiplatform.googleapis.com'],
  ['eu', 'https://aiplatform.eu.rep.googleapis.com'],
  ['us', 'https://aiplatform.us.rep.googleapis.com'],
])('finds the host of %s', (location, host) => {
  expect(vertexBaseUrl(location)).toBe(host);
});

describe('a call', () => {
  it('goes to the project’s path with a bearer token, under the provider’s own id', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const channel = aChannel(stub, { models: { [PRO]: { providerModel: 'gemini-3-pro-image-001' } } });

    const { end } = await caller.call(channel, { request: aRequest({ model: PRO, size: '2K' }) });

    expect(end.type).toBe('answered');
    expect(stub.calls).toHaveLength(1);
    const [sent] = stub.calls;
    expect(sent?.url).toBe(
      '/v1beta1/projects/studio-1/locations/europe-west4/publishers/google/models/gemini-3-pro-image-001:generateContent',
    );
    expect(sent?.headers).toMatchObject({ authorization: 'Bearer ya29.given', 'x-server-timeout': '20' });
    expect(sent?.headers).not.toHaveProperty('x-goog-api-key');
    expect(JSON.parse(sent?.body ?? '')).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'a red mug on an oak table' }] }],
      generationConfig: { responseModalities: ['TEXT', 'IMAGE'], imageConfig: { imageSize: '2K' } },
    });
  });

  it('says all that was asked, with gs:// addresses as fileData and bytes as inlineData', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    const reference: Reference = { key: 'k', sha256: 'ab', mime: 'image/webp', bytes: 3, width: 1, height: 1 };
    const request = aRequest({
      model: PRO,
      aspectRatio: '16:9',
      seed: 7,
      thinking: 'high',
      tools: ['google_search'],
      safety: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      references: [{ ...reference, name: 'red mug' }, reference],
    });

    await caller.call(aChannel(stub), {
      request,
      references: [{ uri: 'gs://bucket/references/ab' }, Buffer.from('two')],
    });

    expect(JSON.parse(stub.calls[0]?.body ?? '')).toEqual({
      contents: [
        {
          role: 'user',
          parts: [
            { text: 'a red mug on an oak table' },
            { text: 'Image 1 ("red mug"):' },
            { fileData: { fileUri: 'gs://bucket/references/ab', mimeType: 'image/webp' } },
            { inlineData: { mimeType: 'image/webp', data: 'dHdv' } },
          ],
        },
      ],
      safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }],
      tools: [{ googleSearch: {} }],
      generationConfig: {
        seed: 7,
        responseModalities: ['TEXT', 'IMAGE'],
        thinkingConfig: { thinkingLevel: 'HIGH' },
        imageConfig: { aspectRatio: '16:9', imageSize: '1K' },
      },
    });
  });

  it('goes where it was told and asks nobody else, whatever the environment says', async () => {
    const stub = await aStub(replyWith(200, SUCCESS));
    for (const name of ['GOOGLE_VERTEX_BASE_URL', 'GOOGLE_GEMINI_BASE_URL', 'HTTPS_PROXY', 'HTTP_PROXY']) {
      vi.stubEnv(name, 'http://127.0.0.1:9');
    }
    vi.stubEnv('GOOGLE_CLOUD_PROJECT', 'another');
    vi.stubEnv('GOOGLE_CLOUD_LOCATION', 'asia-east1');
    vi.stubEnv('GOOGLE_API_KEY', 'another');
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere.json');

    const { end } = await caller.call(aChannel(stub));

    expect(end.type).toBe('answered');
    expect(stub.calls[0]).toMatchObject({
      url: expect.stringContaining('/projects/studio-1/locations/europe-west4/'),
      headers: { authorization: 'Bearer ya29.given' },
    });
  });
});

describe('an answer', () => {
  const verdictOf = async (reply: StubReply) => {
    const { end } = await caller.call(aChannel(await aStub(reply)), { request: aRequest({ model: PRO }) });
    return classify(answerOf(end));
  };

  it('maps inlineData.data and mimeType of a candidate without index', async () => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(200, SUCCESS))));

    const answer = answerOf(end);
    expect(classify(answer)).toMatchObject({ type: 'image', image: 0, mime: 'image/png', imagesBilled: 1 });
    expect(answer.blobs[0]?.bytes).toBe(IMAGE.length);
  });

  it('maps usageMetadata with a TEXT entry in candidatesTokensDetails, and the total rules', async () => {
    expect(await verdictOf(replyWith(200, SUCCESS))).toMatchObject({
      usage: { promptTokens: 22, imageTokens: 1120, textTokens: 275, totalTokens: 1417, missing: false },
    });
  });

  it('keeps createTime and trafficType, maps modelVersion and responseId', async () => {
    const { end } = await caller.call(aChannel(await aStub(replyWith(200, SUCCESS))));

    const answer = answerOf(end);
    expect(answer.body).toMatchObject({
      createTime: '2026-11-20T12:00:00.123456Z',
      usageMetadata: { trafficType: 'ON_DEMAND' },
    });
    expect(classify(answer)).toMatchObject({ modelVersion: PRO, responseId: 'abc-DEF_123', finishReason: 'STOP' });
  });

  it.each(['MODEL_ARMOR', 'JAILBREAK', 'PROHIBITED_CONTENT'])(
    'maps promptFeedback.blockReason %s to a refusal of the content',
    async (blockReason) => {
      const body = { promptFeedback: { blockReason, blockReasonMessage: 'Blocked.' }, usageMetadata: {} };

      expect(await verdictOf(replyWith(200, body))).toMatchObject({
        type: 'blocked',
        blockReason,
        message: 'Blocked.',
      });
    },
  );

  it('maps the 429 of a shared quota, without RetryInfo, to a wait of unknown length', async () => {
    const message =
      'Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.';
    const verdict = await verdictOf(replyWith(429, { error: { code: 429, message, status: 'RESOURCE_EXHAUSTED' } }));

    expect(verdict).toMatchObject({
      type: 'rejected',
      code: 'upstream_rate_limited',
      retryable: true,
      limit: 'unknown',
    });
    expect(verdict).not.toHaveProperty('retryAfterMs');
  });

  it('maps the 429 of a cloud quota by ErrorInfo.metadata', async () => {
    const metadata = {
      quota_metric: 'aiplatform.googleapis.com/generate_content_requests_per_minute_per_project_per_base_model',
      quota_limit: 'GenerateContentRequestsPerMinutePerProjectPerBaseModel',
      quota_limit_value: '60',
    };
    const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'RATE_LIMIT_EXCEEDED', metadata }];
    const error = { code: 429, message: 'Quota exceeded.', status: 'RESOURCE_EXHAUSTED', details };

    expect(await verdictOf(replyWith(429, { error }))).toMatchObject({
      limit: 'minute',
      quotaId: 'GenerateContentRequestsPerMinutePerProjectPerBaseModel',
    });
  });

  it('maps the 404 of a publisher’s model to a model that is gone', async () => {
    const message =
      'Publisher Model `projects/studio-1/locations/global/publishers/google/models/gemini-9` was not found or your project does not have access to it. Please ensure you are using a valid model version.';

    expect(await verdictOf(replyWith(404, { error: { code: 404, message, status: 'NOT_FOUND' } }))).toMatchObject({
      code: 'model_retired',
    });
  });

  it('maps a 404 without words to a fault of the model only when no file was named', async () => {
    const error = { code: 404, message: 'Requested entity was not found.', status: 'NOT_FOUND' };
    const channel = aChannel(await aStub(replyWith(404, { error })));
    const reference: Reference = {
      key: 'assets/t/ab',
      sha256: 'ab'.repeat(32),
      mime: 'image/png',
      bytes: 3,
      width: 1,
      height: 1,
    };
    const request = aRequest({ model: PRO, references: [reference] });

    const [plain, bytes, named] = [
      await caller.call(channel),
      await caller.call(channel, { request, references: [Buffer.from('two')] }),
      await caller.call(channel, { request, references: [{ uri: 'gs://bucket/assets/ab' }] }),
    ].map(({ end }) => classify(answerOf(end)));

    expect(plain).toMatchObject({ code: 'upstream_unavailable', retryable: true });
    expect(bytes).toMatchObject({ code: 'upstream_unavailable', retryable: true });
    expect(named).toMatchObject({ code: 'upstream_rejected', retryable: false });
  });

  it('maps a permission that is missing to a channel that is out', async () => {
    const message = "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/…'";

    expect(
      await verdictOf(replyWith(403, { error: { code: 403, message, status: 'PERMISSION_DENIED' } })),
    ).toMatchObject({ code: 'upstream_auth', channelDown: true });
  });
});

describe('a service account', () => {
  /** A token endpoint that gives these, one after another, each good for an hour. */
  const tokens = (...values: string[]): StubReply => {
    let n = 0;
    return (response, call) => {
      const token = values[Math.min(n++, values.length - 1)];
      return replyWith(200, { access_token: token, expires_in: 3_600, token_type: 'Bearer' })(response, call);
    };
  };
  const anAccount = (tokenUrl: string) => ({
    type: 'service_account' as const,
    json: JSON.stringify({
      type: 'service_account',
      client_email: 'darkroom@studio-1.iam.gserviceaccount.com',
      private_key: privateKey,
      private_key_id: 'key-1',
      token_uri: `${tokenUrl}/token`,
    }),
  });
  const sentWith = (stub: StubProvider) => stub.calls.map(({ headers }) => headers.authorization);

  async function anAccountChannel(replies: { auth: StubReply; api?: StubReply }) {
    const auth = await aStub(replies.auth);
    const api = await aStub(replies.api ?? replyWith(200, SUCCESS));
    return { auth, api, channel: aChannel(api, { credentials: anAccount(auth.url) }) };
  }

  it('trades a JWT signed with its key for a token, once for many calls at once', async () => {
    const { auth, api, channel } = await anAccountChannel({ auth: tokens('ya29.one') });

    await Promise.all(Array.from({ length: 5 }, () => caller.call(channel)));

    expect(sentWith(api)).toEqual(Array(5).fill('Bearer ya29.one'));
    expect(auth.calls).toHaveLength(1);
    const assertion = new URLSearchParams(auth.calls[0]?.body).get('assertion') ?? '';
    const [head = '', claims = '', signature = ''] = assertion.split('.');
    expect(verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      true,
    );
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
      iss: 'darkroom@studio-1.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/cloud-platform',
    });
  });

  it('has its next token fetched ahead, while the one before still serves', async () => {
    const { auth, api, channel } = await anAccountChannel({ auth: tokens('ya29.one', 'ya29.two') });
    await caller.call(channel);

    now += 56 * MINUTE;
    await caller.call(channel);
    await vi.waitUntil(() => auth.calls.length === 2);
    await vi.waitUntil(async () => {
      await caller.call(channel);
      return sentWith(api).includes('Bearer ya29.two');
    });

    expect(sentWith(api).slice(0, 2)).toEqual(['Bearer ya29.one', 'Bearer ya29.one']);
    expect(auth.calls).toHaveLength(2);
  });

  it('goes on with the token it has when the next cannot be had', async () => {
    const auth = await aStub(tokens('ya29.one'), replyWith(400, { error: 'invalid_grant' }));
    const api = await aStub(replyWith(200, SUCCESS));
    const channel = aChannel(api, { credentials: anAccount(auth.url) });
    await caller.call(channel);

    now += 56 * MINUTE;
    const ends = [await caller.call(channel), await caller.call(channel)];

    expect(ends.map(({ end }) => end.type)).toEqual(['answered', 'answered']);
    expect(sentWith(api)).toEqual(Array(3).fill('Bearer ya29.one'));
  });

  it('is ready before the first call when one is about to be made', async () => {
    const { auth, channel } = await anAccountChannel({ auth: tokens('ya29.one') });

    channel.preconnect();

    await vi.waitUntil(() => auth.calls.length === 1);
    await caller.call(channel);
    expect(auth.calls).toHaveLength(1);
  });

  it('gets another token once the one it has was refused', async () => {
    const unauthenticated = { error: { code: 401, message: 'Expired.', status: 'UNAUTHENTICATED' } };
    const auth = await aStub(tokens('ya29.one', 'ya29.two'));
    const api = await aStub(replyWith(401, unauthenticated), replyWith(200, SUCCESS));
    const channel = aChannel(api, { credentials: anAccount(auth.url) });

    const ends = [await caller.call(channel), await caller.call(channel)];

    expect(ends.map(({ end }) => answerOf(end).httpStatus)).toEqual([401, 200]);
    expect(sentWith(api)).toEqual(['Bearer ya29.one', 'Bearer ya29.two']);
  });

  it.each([
    ['whose key was revoked', 400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' }],
    ['that is unknown', 401, { error: 'invalid_client', error_description: 'The OAuth client was not found.' }],
    ['that may not', 403, { error: 'access_denied', error_description: 'Account disabled.' }],
  ])('%s ends its calls like a refused key, and sends nothing', async (_, status, refused) => {
    const { api, channel } = await anAccountChannel({ auth: replyWith(status, refused) });

    const { end } = await caller.call(channel);

    expect(classify(answerOf(end))).toEqual({
      type: 'rejected',
      code: 'upstream_auth',
      retryable: false,
      channelDown: true,
      http: 401,
      message: expect.stringMatching(new RegExp(`refused with ${status}: .*${refused.error_description}`)),
    });
    expect(api.connections).toBe(0);
  });

  it('whose token endpoint has trouble of its own sends nothing, and is not taken for refused', async () => {
    const skewed = 'Invalid JWT: Token must be a short-lived token (60 minutes). Check your iat and exp values.';
    const replies = [
      replyWith(503, 'busy'),
      replyWith(500, { error: 'internal_failure' }),
      replyWith(429, { error: 'rate_limit_exceeded' }),
      replyWith(400, '<html>Bad Request</html>'),
      replyWith(400, { error: 'temporarily_unavailable' }),
      replyWith(403, { error: { code: 403, status: 'RATE_LIMIT_EXCEEDED', message: 'Slow down.' } }),
      replyWith(404, { error: 'not_found' }),
      // The clock of this machine, and no fault of the key.
      replyWith(400, { error: 'invalid_grant', error_description: skewed }),
    ];

    const calls = replies.map(async (auth) => {
      const { api, channel } = await anAccountChannel({ auth });
      return { ...(await caller.call(channel)).end, connections: api.connections };
    });

    const unsent = { type: 'unsent', reason: expect.stringContaining('no access token'), connections: 0 };
    expect(await Promise.all(calls)).toEqual(replies.map(() => unsent));
  });

  it('that was refused serves again once it is mended', async () => {
    const auth = await aStub(replyWith(400, { error: 'invalid_grant' }), tokens('ya29.mended'));
    const api = await aStub(replyWith(200, SUCCESS));
    const channel = aChannel(api, { credentials: anAccount(auth.url) });

    const ends = [await caller.call(channel), await caller.call(channel)];

    expect(ends.map(({ end }) => answerOf(end).httpStatus)).toEqual([401, 200]);
    expect(sentWith(api)).toEqual(['Bearer ya29.mended']);
  });

  it.each([
    ['is silent', hang],
    ['drops the connection', dropConnection],
    ['answers a page', replyWith(200, '<html>Sign in</html>')],
    ['answers without a token', replyWith(200, {})],
  ] as const)('whose token endpoint %s sends nothing', async (_, reply) => {
    const { api, channel } = await anAccountChannel({ auth: reply });
    const stopping = new AbortController();

    const calling = caller.call(channel, { signal: stopping.signal });
    setTimeout(() => stopping.abort(), 1_500);
    const { end } = await calling;

    expect(end).toMatchObject({ type: 'unsent', reason: expect.stringContaining('no access token') });
    expect(api.connections).toBe(0);
  });

  it('is looked at by way of its token', async () => {
    const refused = { error: 'invalid_grant', error_description: 'Invalid grant: account not found' };
    const { channel } = await anAccountChannel({ auth: replyWith(400, refused) });

    expect(await channel.look(new AbortController().signal)).toEqual({
      type: 'refused',
      http: 400,
      message: expect.stringContaining('account not found'),
    });
  });

  it.each([
    ['not json', 'is not JSON'],
    ['{}', 'no client_email'],
    ['{"client_email":"a@b.c"}', 'no private_key'],
    ['{"client_email":"a@b.c","private_key":"top secret","token_uri":"http://a.example/token"}', 'https://'],
  ])('that is none (%s) is told at once, and not shown', async (json, words) => {
    const make = () => aChannel({ url: 'http://127.0.0.1:1' }, { credentials: { type: 'service_account', json } });

    expect(make).toThrow(words);
    expect(make).not.toThrow('top secret');
  });

  it('goes on after its token has ended early, with another one', async () => {
    const emulator = cleanup.use(await startEmulator({ settings: { render: 'fast', signature_bytes: 64 } }));
    const json = JSON.stringify(emulator.control.serviceAccount('studio-1'));
    const channel = aChannel(emulator, { credentials: { type: 'service_account', json } });
    const statuses: number[] = [];

    for (const hours of [0, 2, 0]) {
      emulator.control.advance(hours * 60 * MINUTE);
      statuses.push(answerOf((await caller.call(channel)).end).httpStatus);
    }

    expect(statuses).toEqual([200, 401, 200]);
  });
});

describe('the credentials of this machine', () => {
  /** A metadata server that answers the asking for a token so. */
  async function aMachine(status: number, token: object | string) {
    const metadata = await aStub((response, call) => {
      const flavor = { 'metadata-flavor': 'Google' };
      const answer = call.url.includes('/token')
        ? replyWith(status, token, flavor)
        : replyWith(200, 'studio-1', flavor);
      return answer(response, call);
    });
    vi.stubEnv('GCE_METADATA_HOST', new URL(metadata.url).host);
    vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '');
    vi.stubEnv('HOME', caller.folder);
  }

  it('come from the metadata server of Google’s cloud', async () => {
    await aMachine(200, { access_token: 'ya29.machine', expires_in: 3_599, token_type: 'Bearer' });
    const api = await aStub(replyWith(200, SUCCESS));

    const { end } = await caller.call(aChannel(api, { credentials: { type: 'adc' } }));

    expect(end.type).toBe('answered');
    expect(api.calls[0]?.headers.authorization).toBe('Bearer ya29.machine');
  });

  it('that are refused end a call like a refused key', async () => {
    await aMachine(403, 'Missing required scopes');
    const api = await aStub(replyWith(200, SUCCESS));

    const { end } = await caller.call(aChannel(api, { credentials: { type: 'adc' } }));

    expect(classify(answerOf(end))).toMatchObject({ code: 'upstream_auth', channelDown: true });
    expect(api.connections).toBe(0);
  });
});
