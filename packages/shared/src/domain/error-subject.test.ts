import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Answer } from './answer.ts';
import { callEndOf, saysOf } from './breaker.ts';
import { classify } from './classify.ts';
import type { Verdict } from './verdict.ts';

function answer(httpStatus: number, body: unknown, more: Partial<Answer> = {}): Answer {
  return { httpStatus, headers: {}, body, blobs: [], ms: 10, ...more };
}

const rpc = (code: number, status: string, message: string, details?: object[]) => ({
  error: { code, message, status, ...(details && { details }) },
});

/** What a place, and its channel, are judged by. */
function saidOf(verdict: Verdict): string {
  if (verdict.type !== 'rejected') return 'neutral';
  return saysOf(callEndOf({ type: 'rejected', verdict, error: { code: verdict.code, detail: '' }, ms: 0 }));
}

const FINAL = { type: 'rejected', code: 'upstream_rejected', retryable: false };
const DOWN = { type: 'rejected', code: 'upstream_auth', retryable: false, channelDown: true };
const GONE = { type: 'rejected', code: 'model_retired', retryable: false };

/** Of a provider or the bucket behind it, about what one request points to. */
const ABOUT_INPUTS = [
  'Permission denied while accessing input file gs://mugs/mug.png.',
  "service-1@gcp-sa-aiplatform.iam.gserviceaccount.com does not have storage.objects.get access to the Google Cloud Storage object. Permission 'storage.objects.get' denied on resource (or it may not exist).",
  'Anonymous caller does not have storage.buckets.get access to the bucket.',
  'You do not have permission to access the File abc123 or it may not exist.',
  'The File abc123 is not in an ACTIVE state and usage is not allowed.',
  'Service agents are needed to read the Cloud Storage file provided. So please try again in a few minutes.',
  'No such object: bucket/mug.png',
  'The specified bucket does not exist.',
  'File files/abc not found.',
  'Invalid value at contents[0].parts[1].file_data.file_uri.',
  'Cannot fetch content from the provided URL.',
  'Unsupported fileUri.',
  'Failed to download the image.',
  'The reference image may not be read.',
  'No endpoints found that support image input',
  'Unknown parameter: input_references[0].',
  'Your chosen model requires moderation and your input was flagged.',
];

describe('a refusal that names an input of its request', () => {
  it.each(ABOUT_INPUTS)('is this request’s alone: %s', (words) => {
    for (const [http, status] of [
      [400, 'FAILED_PRECONDITION'],
      [403, 'PERMISSION_DENIED'],
      [404, 'NOT_FOUND'],
    ] as const) {
      const verdict = classify(answer(http, rpc(http, status, words)));

      expect(verdict).toMatchObject({ ...FINAL, message: expect.anything() });
      expect(verdict).not.toHaveProperty('channelDown');
    }
  });

  it('may name it in its details alone', () => {
    const metadata = { permission: 'storage.objects.get', resource: 'projects/_/buckets/mugs', service: 'x' };
    const info = { reason: 'IAM_PERMISSION_DENIED', domain: 'iam.googleapis.com', metadata };
    const resource = { resourceType: 'storage.objects', resourceName: 'mug.png' };

    for (const detail of [info, resource]) {
      expect(classify(answer(403, rpc(403, 'PERMISSION_DENIED', 'Permission denied.', [detail])))).toMatchObject(FINAL);
    }
  });

  /** In the shapes that each dialect has, an error behind a router included. */
  const shapes: ((http: number, status: string, words: string) => unknown)[] = [
    (http, status, words) => rpc(http, status, words),
    (http, status, words) => [rpc(http, status, words)],
    (http, _, words) => ({ error: { message: words, type: 'invalid_request_error', code: http, param: null } }),
    (_, __, words) => ({ error: words }),
    (_, __, words) => ({ message: words }),
    (_, __, words) => ({ detail: [{ msg: words }] }),
    (http, status, words) => ({
      error: {
        code: http,
        message: 'Provider returned error',
        metadata: { provider_name: 'Google', raw: JSON.stringify(rpc(http, status, words)) },
      },
    }),
  ];
  const around = fc.constantFrom(
    '',
    'Permission denied.',
    'models/gemini-3-pro-image is not found for API version v1beta.',
    'Please enable billing.',
    'API key not valid.',
    'The caller does not have permission.',
    'No endpoints found for google/gemini-3-pro-image.',
    'Requested entity was not found.',
    'User location is not supported for the API use.',
    'google/gemini-3-pro-image is not a valid model ID.',
  );

  it('never takes a channel or a model away from others, in any dialect', () => {
    const given = fc.record({
      words: fc.constantFrom(...ABOUT_INPUTS),
      before: fc.oneof(around, fc.lorem()),
      after: fc.oneof(around, fc.lorem()),
      http: fc.oneof(fc.constantFrom(400, 401, 403, 404), fc.integer({ min: 100, max: 599 })).filter((n) => n !== 402),
      status: fc.constantFrom('PERMISSION_DENIED', 'NOT_FOUND', 'FAILED_PRECONDITION', 'INVALID_ARGUMENT', ''),
      shape: fc.constantFrom(...shapes),
      more: fc.constantFrom<Partial<Answer>>({}, { plain: true }, { dialect: 'chat' }, { dialect: 'images' }),
    });
    fc.assert(
      fc.property(given, ({ words, before, after, http, status, shape, more }) => {
        const verdict = classify(answer(http, shape(http, status, [before, words, after].join(' ')), more));

        expect(verdict).not.toHaveProperty('channelDown');
        expect(verdict).not.toMatchObject({ code: 'model_retired' });
        expect(['auth', 'retired']).not.toContain(saidOf(verdict));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('a refusal that names who calls', () => {
  it.each([
    ['a key', 401, rpc(401, 'UNAUTHENTICATED', 'no access token: no file of credentials')],
    ['a key, by a reason', 400, rpc(400, 'INVALID_ARGUMENT', 'The file', [{ reason: 'API_KEY_INVALID' }])],
    ['a key, by a code', 401, { error: { code: 'invalid_api_key', message: 'No such object.' } }],
    ['a project', 403, rpc(403, 'PERMISSION_DENIED', "Permission 'x' denied on resource '//y/projects/file-input/z'")],
    ['an account that owes', 402, { error: { code: 402, message: 'Prompt tokens limit exceeded: 9 > 1.' } }],
    ['a page', 403, '<html><style>.file{}</style><body>The object is forbidden</body></html>'],
    ['an API', 400, rpc(400, 'FAILED_PRECONDITION', 'Vertex AI API has not been used in project 1 before.')],
    ['an API, by a reason', 400, rpc(400, 'FAILED_PRECONDITION', 'No.', [{ reason: 'SERVICE_DISABLED' }])],
    ['a country', 400, rpc(400, 'FAILED_PRECONDITION', 'Image generation is not available in your country.')],
  ])('takes the channel out, whatever else it says: %s', (_, http, body) => {
    expect(classify(answer(http, body))).toMatchObject(DOWN);
  });

  it('is not every precondition that failed', () => {
    const verdict = classify(answer(400, rpc(400, 'FAILED_PRECONDITION', 'Precondition check failed.')));

    expect(verdict).toMatchObject(FINAL);
    expect(saidOf(verdict)).toBe('neutral');
  });
});

describe('a 404', () => {
  it.each([
    [undefined, rpc(404, 'NOT_FOUND', 'models/gemini-x is not found for API version v1.')],
    [undefined, rpc(404, 'NOT_FOUND', 'Publisher Model `projects/file/publishers/google/models/gemini-9` is gone.')],
    [undefined, rpc(404, 'NOT_FOUND', 'gemini-3-pro-image-preview was shut down.')],
    ['images', { error: { message: 'The model `x` does not exist.', code: 'model_not_found' } }],
    ['images', { error: { message: 'Model not found' } }],
    ['chat', { error: { code: 404, message: 'No endpoints found for google/gemini-x.' } }],
    [
      'chat',
      { error: { code: 404, message: 'No endpoints found that support the requested output modalities: image' } },
    ],
  ] as const)('that names the model says that it is gone (%s, %o)', (dialect, body) => {
    expect(classify(answer(404, body, { ...(dialect && { dialect }) }))).toMatchObject(GONE);
  });

  it.each([
    ['a path', rpc(404, 'NOT_FOUND', 'The requested URL /v1/models/gemini-x:make was not found on this server.')],
    ['a page about a path', '<html>The requested URL /models/gemini-x was not found on this server.</html>'],
    ['a parameter', { error: { code: 404, message: 'No endpoints found that can handle the requested parameters.' } }],
    ['nothing', { detail: 'Not Found' }],
  ])('that names %s is the request’s', (_, body) => {
    for (const plain of [{}, { plain: true }] as const) {
      const verdict = classify(answer(404, body, plain));

      expect(verdict).toMatchObject(FINAL);
      expect(saidOf(verdict)).toBe('neutral');
    }
  });

  it('without a word of what is not there is a fault of the model only where nothing else was named', () => {
    const bare = rpc(404, 'NOT_FOUND', 'Requested entity was not found.');
    const withFiles = classify(answer(404, bare));
    const plain = classify(answer(404, bare, { plain: true }));

    expect(withFiles).toMatchObject(FINAL);
    expect(plain).toMatchObject({ code: 'upstream_unavailable', retryable: true, http: 404 });
    expect([saidOf(withFiles), saidOf(plain)]).toEqual(['neutral', 'fault']);
  });
});
