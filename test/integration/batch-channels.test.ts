/** What every kind of batch channel does, against the emulator: by the Gemini API, and by Vertex with a bucket. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Emulator, type EmulatorOptions, type FaultRule, startEmulator } from '@darkroom/emulator';
import { createGeminiBatchChannel, createVertexBatchChannel } from '@darkroom/shared/channels';
import { type BatchChannel, systemClock } from '@darkroom/shared/ports';
import { openBucket } from '@darkroom/shared/storage';
import { aRequest } from '@darkroom/shared/testing/factories';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  aBatch,
  aFile,
  BATCH_MODEL,
  byKey,
  course,
  done,
  judged,
  results,
  theBatch,
} from '../support/batch-account.ts';
import { type GcsEmulator, startGcsEmulator } from '../support/gcs-emulator/index.ts';
import { replyWith, startStubProvider } from '../support/stub-provider.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const { signal } = new AbortController();

const KINDS = ['gemini', 'vertex'] as const;
type Kind = (typeof KINDS)[number];
type Account = { emulator: Emulator; channel: BatchChannel; gcs: GcsEmulator; folder: string };

let cleanup: AsyncDisposableStack;
let folder: string;

beforeEach(async () => {
  cleanup = new AsyncDisposableStack();
  folder = await mkdtemp(join(tmpdir(), 'batch-channels-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
});

afterEach(() => cleanup.disposeAsync());

/** An account whose time stands still until it is moved on. */
async function anAccount(
  kind: Kind,
  faults: FaultRule[] = [],
  settings: EmulatorOptions['settings'] = {},
): Promise<Account> {
  const gcs = await startGcsEmulator({ buckets: ['studio'] });
  cleanup.defer(() => gcs.close());
  const vertex = { gcs_endpoint: gcs.url };
  const emulator = cleanup.use(
    await startEmulator({
      settings: { clock_scale: 0, render: 'fast', signature_bytes: 64, vertex, ...settings },
      faults,
    }),
  );
  return { emulator, gcs, folder, channel: cleanup.use(channelOf(kind, emulator, gcs)) };
}

function channelOf(kind: Kind, { url: baseUrl }: Emulator, { url: apiEndpoint }: GcsEmulator) {
  if (kind === 'gemini') return createGeminiBatchChannel({ apiKey: 'test-key', baseUrl, apiVersion: 'v1beta' });
  return createVertexBatchChannel({
    id: 'vertex',
    project: 'studio-1',
    credentials: { type: 'access_token', read: () => 'studio-1.token' },
    baseUrl,
    clock: systemClock,
    bucket: 'gs://studio/darkroom',
    openBucket: (bucket) => openBucket({ bucket, apiEndpoint }),
  });
}

describe.each(KINDS)('a batch channel of kind %s', (kind) => {
  it('brings an image for each line, and leaves nothing behind', async () => {
    const account = await anAccount(kind, [], { files: { upload_origin: 'https://elsewhere.example' } });
    const { channel, emulator } = account;
    const keys = ['att_1', 'att_2', 'att_3'];

    const name = await aBatch(account, keys);
    const waiting = await theBatch(account);
    emulator.control.advance(HOUR);
    const over = await theBatch(account);
    const lines = await results(account);

    expect(waiting).toMatchObject({ name, displayName: 'dk-1', inputFile: expect.stringContaining('chunk-1') });
    expect(waiting).not.toHaveProperty('end');
    expect(waiting.state).toMatch(/PENDING|QUEUED/);
    expect(Math.abs(waiting.createdAt - Date.now())).toBeLessThan(MINUTE);
    expect(over).toMatchObject({ end: 'succeeded', stats: { total: 3, succeeded: 3, failed: 0 } });
    expect(byKey(judged(lines))).toEqual(keys.map((key) => [key, 'image']));
    const [first] = lines;
    const image = first?.type === 'line' ? first.answer.blobs[0] : undefined;
    expect((await readFile(image?.path ?? '')).length).toBe(image?.bytes);
    expect(done(await channel.get(name, signal)).batch).toEqual(over);

    for (const file of [waiting.inputFile ?? '', over.responsesFile ?? ''])
      done(await channel.deleteFile(file, signal));
    done(await channel.deleteBatch(name, signal));
    expect(done(await channel.list(0, signal)).batches).toEqual([]);
    expect(done(await channel.get(name, signal)).batch).toBeUndefined();
    expect(done(await channel.download(over.responsesFile ?? '', signal)).body).toBe('gone');
    done(await channel.deleteFile(waiting.inputFile ?? '', signal));
    done(await channel.deleteBatch(name, signal));
    done(await channel.cancel(name, signal));
    expect(emulator.control.bill().images).toBe(3);
  });

  it('finds a batch in its list whose answer was lost, and none that was never made', async () => {
    const lost: FaultRule[] = [
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset_after_billing' } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset' } },
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'quota_help_only' } },
    ];
    const { channel } = await anAccount(kind, lost);
    const { fileName } = done(await channel.upload(await aFile(folder, 'chunk-1', '{}\n'), signal));

    const ends = [];
    for (const displayName of ['one', 'two', 'three'])
      ends.push((await channel.create({ model: BATCH_MODEL, fileName, displayName }, signal)).type);

    expect(ends).toEqual(['unknown', 'unknown', 'rejected']);
    const { batches } = done(await channel.list(0, signal));
    expect(batches.map(({ displayName, inputFile }) => [displayName, inputFile])).toEqual([['one', fileName]]);
  });

  it.each([
    [
      { ends: 'failed', error: { code: 13, message: 'Internal error.' } },
      { end: 'failed', message: 'Internal error.' },
    ],
    [{ ends: 'expired' }, { end: 'expired' }],
    [{ ends: 'cancelled', done: 0.5 }, { end: 'canceled' }],
    [{ done: 0.5 }, { end: 'succeeded' }],
  ] as const)('ends as it does: %j', async (how, expected) => {
    const account = await anAccount(kind, [course(how)]);
    await aBatch(account, ['a', 'b']);

    account.emulator.control.advance(49 * HOUR);

    expect(await theBatch(account)).toMatchObject(expected);
  });

  it('is canceled once or twice, and is over only once the provider says so', async () => {
    const account = await anAccount(kind);
    const name = await aBatch(account, ['a']);

    done(await account.channel.cancel(name, signal));
    done(await account.channel.cancel(name, signal));
    account.emulator.control.advance(HOUR);

    expect(await theBatch(account)).toMatchObject({ end: 'canceled' });
  });

  it('reads its list in pages, as far back as asked', async () => {
    const { channel, emulator } = await anAccount(kind, [], { batches: { jobs_max: 1_000 } });
    const { fileName } = done(await channel.upload(await aFile(folder, 'chunk-1', '{}\n'), signal));
    const names: string[] = [];
    for (let n = 0; n < 105; n++) {
      names.push(done(await channel.create({ model: BATCH_MODEL, fileName, displayName: `dk-${n}` }, signal)).name);
      emulator.control.advance(1);
    }

    const all = done(await channel.list(0, signal)).batches;

    expect(new Set(all.map(({ name }) => name))).toEqual(new Set(names));
  });

  it('tells of lines that failed, come twice, or were not asked for', async () => {
    const line = (key: string, fault: FaultRule['fault']): FaultRule => ({ match: { keyIncludes: key }, fault });
    const account = await anAccount(kind, [
      line('deadline', { kind: 'line_error', code: 4, message: 'Deadline expired before operation could complete.' }),
      line('limited', { kind: 'line_error', code: 8, message: 'Resource exhausted.' }),
      line('twice', { kind: 'line_duplicated', count: 2 }),
      line('missing', { kind: 'line_missing' }),
      {
        match: { route: 'batch_line', keyIncludes: 'blocked' },
        fault: { kind: 'blocked', finishReason: 'IMAGE_SAFETY' },
      },
    ]);
    await aBatch(account, ['blocked', 'deadline', 'good', 'limited', 'missing', 'twice']);
    account.emulator.control.advance(HOUR);

    const lines = await results(account);

    expect(byKey(judged(lines))).toEqual([
      ['blocked', 'blocked'],
      ['deadline', 'rejected'],
      ['good', 'image'],
      ['limited', 'rejected'],
      ['twice', 'image'],
      ['twice', 'image'],
    ]);
    const status = new Map(lines.map((one) => (one.type === 'line' ? [one.key, one.answer.httpStatus] : ['', 0])));
    expect([status.get('deadline'), status.get('limited')]).toEqual([408, 429]);
  });

  it('uploads twice what is there once, and does not give a name to other bytes', async () => {
    const { channel } = await anAccount(kind);
    const file = await aFile(folder, 'chunk-1', 'line\n'.repeat(2_000));

    const first = done(await channel.upload(file, signal));

    expect(done(await channel.upload(file, signal))).toEqual(first);
    expect(await channel.upload(await aFile(folder, 'chunk-1', 'other\n'), signal)).toMatchObject({
      type: 'rejected',
      verdict: { code: 'object_conflict' },
    });
  });
});

describe('the batches of Vertex', () => {
  it('read all shards of an output, and touch nothing outside their own prefix', async () => {
    const { channel, gcs } = await anAccount('vertex');
    const bucket = openBucket({ bucket: 'studio', apiEndpoint: gcs.url });
    for (const [name, body] of [
      ['darkroom/output/p/predictions.jsonl-00000-of-00002', '{"key":"a"}'],
      ['darkroom/output/p/predictions.jsonl-00001-of-00002', '{"key":"b"}\n'],
      ['darkroom/output/p/prediction.errors_stats-00000-of-00001', 'no line'],
      ['darkroom/output/pq/predictions.jsonl', '{"key":"stranger"}\n'],
    ] as const)
      await bucket.put(name, await aFile(folder, 'shard', body));

    const { body } = done(await channel.download('gs://studio/darkroom/output/p', signal));

    expect(body === 'gone' ? '' : await text(body)).toBe('{"key":"a"}\n{"key":"b"}\n');
    done(await channel.deleteFile('gs://studio/darkroom/output/p', signal));
    expect(await bucket.list('')).toEqual(['darkroom/output/pq/predictions.jsonl']);
    await expect(channel.deleteFile('gs://studio/others', signal)).rejects.toThrow('does not lie below');
    await expect(channel.download('gs://elsewhere/darkroom/x', signal)).rejects.toThrow('does not lie below');
  });

  it('name references by their address in the bucket', async () => {
    const { channel } = await anAccount('vertex');
    const reference = { key: 'k', sha256: 'ab', mime: 'image/png', bytes: 1, width: 1, height: 1 } as const;

    const line = channel.formatLine('a', aRequest({ references: [reference] }), [{ uri: 'gs://studio/assets/k' }]);

    expect(channel.takesUris).toBe(true);
    expect(line.toString()).toContain('{"fileData":{"fileUri":"gs://studio/assets/k","mimeType":"image/png"}}');
  });

  it.each([
    [403, 'Permission denied while accessing input file gs://studio/a.', true],
    [400, 'Service agents are being provisioned. They are needed to read the Cloud Storage file provided.', true],
    [400, 'Unsupported inputConfig.gcsSource.', undefined],
    [404, 'No such object: studio/a', undefined],
  ])(
    'of which a file is refused by a %i, %s, wait only if the account may not read its bucket',
    async (code, ...more) => {
      const [message, channelDown] = more;
      const stub = cleanup.use(await startStubProvider(replyWith(code, { error: { code, message, status: 'X' } })));
      const channel = cleanup.use(
        createVertexBatchChannel({
          id: 'vertex',
          project: 'studio-1',
          credentials: { type: 'access_token', read: () => 'ya29.given' },
          baseUrl: stub.url,
          clock: systemClock,
          bucket: 'gs://studio',
          openBucket: (bucket) => openBucket({ bucket, apiEndpoint: stub.url }),
        }),
      );

      const refused = await channel.create({ model: BATCH_MODEL, fileName: 'gs://studio/a', displayName: 'a' }, signal);

      const verdict = {
        code: channelDown ? 'upstream_auth' : 'upstream_rejected',
        retryable: false,
        http: code,
        message,
      };
      expect(refused).toMatchObject({ type: 'rejected', verdict: { type: 'rejected', ...verdict } });
      expect('verdict' in refused && refused.verdict.channelDown).toBe(channelDown);
    },
  );

  it('say what keeps a token from being had, and send nothing', async () => {
    const { emulator, gcs } = await anAccount('vertex');
    const channel = cleanup.use(
      createVertexBatchChannel({
        id: 'vertex',
        project: 'studio-1',
        credentials: {
          type: 'access_token',
          read: () => {
            throw new Error('the token file is gone');
          },
        },
        baseUrl: emulator.url,
        clock: systemClock,
        bucket: 'gs://studio',
        openBucket: (bucket) => openBucket({ bucket, apiEndpoint: gcs.url }),
      }),
    );

    expect(
      await channel.create({ model: BATCH_MODEL, fileName: 'gs://studio/a', displayName: 'a' }, signal),
    ).toMatchObject({
      type: 'rejected',
      verdict: { code: 'upstream_unreachable', message: 'the token file is gone' },
    });
    expect(emulator.control.journal().entries).toEqual([]);
  });
});
