import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { startEmulator } from '../server.ts';
import {
  batchOf,
  create,
  download,
  HOUR,
  jsonl,
  keysTo,
  operation,
  request,
  results,
  SECOND,
  STOPPED,
  stateOf,
} from '../testing/batch.ts';
import { apiErrorOf, imagesOf, MODEL, type Refused, sdk } from '../testing/client.ts';
import { call, upload } from '../testing/upload.ts';

describe('a batch, through the SDK', () => {
  it('goes from a file to a file', async () => {
    await using emulator = await startEmulator({ settings: { ...STOPPED, render: 'tiny' } });
    const ai = sdk(emulator);
    const input = await ai.files.upload({
      file: new Blob([jsonl(['a', 'b', 'c'])]),
      config: { mimeType: 'application/jsonl', name: 'chunk-1' },
    });

    const job = await ai.batches.create({
      model: MODEL,
      src: input.name ?? '',
      config: { displayName: 'night train' },
    });
    expect(job).toMatchObject({
      name: expect.stringMatching(/^batches\/[a-z0-9]{36}$/),
      state: 'JOB_STATE_PENDING',
      displayName: 'night train',
      model: `models/${MODEL}`,
    });
    const id = job.name?.slice(8) ?? '';
    const next = emulator.control.clock().next ?? 0;
    emulator.control.advance(next - emulator.control.clock().now);
    expect((await ai.batches.get({ name: job.name ?? '' })).state).toBe('JOB_STATE_RUNNING');
    emulator.control.advance(HOUR);
    const done = await ai.batches.get({ name: job.name ?? '' });
    expect(done).toMatchObject({ state: 'JOB_STATE_SUCCEEDED', dest: { fileName: `files/batch-${id}` } });

    const lines = await results(emulator, id);
    expect(new Set(lines.map(({ key }) => key))).toEqual(new Set(['a', 'b', 'c']));
    for (const { response } of lines) {
      const [image] = imagesOf(response as never);
      expect(await sharp(image).metadata()).toMatchObject({ width: 1024, height: 1024, format: 'jpeg' });
      expect(response).toMatchObject({ usageMetadata: { candidatesTokensDetails: [{ tokenCount: 1120 }] } });
      expect(response?.candidates?.[0]?.content?.parts?.[0]).toHaveProperty('thoughtSignature');
    }
  });

  it('lists newest first, page by page, cancels and deletes', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const ai = sdk(emulator, 'test-key', 'v1');
    const ids: string[] = [];
    for (const key of keysTo(5)) ids.push(await batchOf(emulator, [key]));
    const [first = '', second = ''] = ids;

    const listed = await Array.fromAsync(await ai.batches.list({ config: { pageSize: 2 } }));
    expect(listed.map(({ name }) => name?.slice(8))).toEqual(ids.toReversed());

    await ai.batches.cancel({ name: `batches/${first}` });
    expect(await stateOf(emulator, first)).toBe('BATCH_STATE_CANCELLED');
    await ai.batches.delete({ name: `batches/${first}` });
    expect((await apiErrorOf(ai.batches.get({ name: `batches/${first}` }))).status).toBe(404);
    expect((await call(emulator, 'POST', `v1beta/batches/${second}:delete`)).status).toBe(200);
    expect(await Array.fromAsync(await ai.batches.list())).toHaveLength(3);
  });

  it('takes requests in its body, and carries the answers in order', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const ai = sdk(emulator);
    const job = await ai.batches.create({
      model: MODEL,
      src: [
        { contents: 'a boat', metadata: { key: '1' } },
        { contents: 'a car', config: { imageConfig: { aspectRatio: '7:1' } } },
        { contents: 'a tree' },
      ],
    });
    emulator.control.advance(HOUR);

    const listed = await (await call(emulator, 'GET', 'v1beta/batches')).text();
    expect(listed).toContain('BATCH_STATE_SUCCEEDED');
    expect(listed).not.toContain('inlinedResponses');
    const done = await operation(emulator, job.name?.slice(8) ?? '');
    expect(done.metadata.batchStats).toEqual({
      requestCount: '3',
      successfulRequestCount: '2',
      failedRequestCount: '1',
    });
    expect(done.metadata.output?.['inlinedResponses']).toEqual(done.response?.['inlinedResponses']);
    const { inlinedResponses = [] } = (await ai.batches.get({ name: job.name ?? '' })).dest ?? {};
    expect(inlinedResponses.map(({ error, metadata }) => [error?.code, metadata])).toEqual([
      [undefined, undefined],
      [3, undefined],
      [undefined, undefined],
    ]);
    expect(imagesOf(inlinedResponses[2]?.response as never)).toHaveLength(1);
  });
});

describe('the state of a batch', () => {
  it('is told as the real one tells it, before and after', async () => {
    await using emulator = await startEmulator({
      settings: STOPPED,
      faults: [
        { fault: { kind: 'course', pendingMs: 10 * SECOND, runningMs: 100 * SECOND } },
        { match: { route: 'batch_line', keyIncludes: '-2' }, fault: { kind: 'deadline_504' } },
      ],
    });
    const file = await upload(emulator, jsonl(keysTo(4)), { name: 'files/chunk' });
    const created = await (await create(emulator, { file: file['name'] ?? '', batch: { priority: '5' } })).json();
    const { name } = created as { name: string };
    const id = name.slice(8);

    expect(created).toEqual({
      name,
      metadata: {
        '@type': 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch',
        model: `models/${MODEL}`,
        displayName: 'a batch',
        inputConfig: { fileName: 'files/chunk' },
        createTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/),
        updateTime: expect.any(String),
        batchStats: { requestCount: '4', pendingRequestCount: '4' },
        state: 'BATCH_STATE_PENDING',
        priority: '5',
        name,
      },
    });
    emulator.control.advance(60 * SECOND);
    expect((await operation(emulator, id)).metadata).toMatchObject({
      state: 'BATCH_STATE_RUNNING',
      batchStats: {
        requestCount: '4',
        pendingRequestCount: '2',
        successfulRequestCount: '1',
        failedRequestCount: '1',
      },
    });
    emulator.control.advance(50 * SECOND);
    const done = await operation(emulator, id);
    expect(done).toMatchObject({
      done: true,
      metadata: {
        state: 'BATCH_STATE_SUCCEEDED',
        endTime: expect.any(String),
        output: { responsesFile: `files/batch-${id}` },
      },
      response: {
        '@type': 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput',
        responsesFile: `files/batch-${id}`,
      },
    });
    expect(done.metadata.batchStats).toEqual({
      requestCount: '4',
      successfulRequestCount: '3',
      failedRequestCount: '1',
    });
    expect((await results(emulator, id)).find(({ key }) => key === 'row-2')?.error).toEqual({
      code: 4,
      message: 'Deadline expired before operation could complete.',
    });
  });

  it('follows a clock that goes faster', async () => {
    await using emulator = await startEmulator({
      settings: { clock_scale: 100_000, render: 'fast', batches: { turnaround_ms: HOUR, spread: 0 } },
    });
    const id = await batchOf(emulator, ['a']);

    const over = await emulator.control.whenBatch((batch) => batch.id === id && batch.state === 'SUCCEEDED');

    expect(over.ends_at).toBe(over.created_at + HOUR);
  });

  it('is RUNNING no longer than 48 hours', async () => {
    await using emulator = await startEmulator({
      settings: { ...STOPPED, batches: { turnaround_ms: 60 * HOUR, spread: 0 } },
    });
    const id = await batchOf(emulator, ['a']);

    emulator.control.advance(48 * HOUR - 1);
    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_RUNNING');
    emulator.control.advance(1);

    expect(await stateOf(emulator, id)).toBe('BATCH_STATE_EXPIRED');
    expect(emulator.control.bill()).toMatchObject({ images: 0, cost_micros: 0 });
  });
});

describe('the output of a batch', () => {
  it('is the same each time, on both paths, in another order than the input, and gone after 48 hours', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const keys = keysTo(30);
    const id = await batchOf(emulator, keys);
    emulator.control.advance(HOUR);

    const once = await (await download(emulator, id)).text();
    emulator.control.patchSettings({ signature_bytes: 5_000, text: 1, render: 'tiny' });
    const again = await (await call(emulator, 'GET', `v1/files/batch-${id}:download?alt=media`)).text();

    expect(again).toBe(once);
    const order = (await results(emulator, id)).map(({ key }) => key);
    expect(order).not.toEqual(keys);
    expect(order).toHaveLength(30);
    expect(new Set(order)).toEqual(new Set(keys));
    emulator.control.advance(48 * HOUR);
    expect((await download(emulator, id)).status).toBe(403);
  });

  it('outlives its input, and can be deleted', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const file = await upload(emulator, jsonl(['a']), { name: 'files/chunk' });
    const { name } = (await (await create(emulator, { file: file['name'] ?? '' })).json()) as { name: string };
    await call(emulator, 'DELETE', 'v1beta/files/chunk');
    emulator.control.advance(HOUR);
    const id = name.slice(8);

    expect(await results(emulator, id)).toHaveLength(1);
    await sdk(emulator).files.delete({ name: `files/batch-${id}` });
    expect((await download(emulator, id)).status).toBe(403);
  });

  it('is billed at half the price, line by line', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const id = await batchOf(emulator, keysTo(3), { displayName: 'svc/test/1' });
    expect(emulator.control.bill().calls).toBe(0);
    emulator.control.advance(HOUR);

    const bill = emulator.control.bill();
    const lines = emulator.control.batchLines(id);
    expect(bill).toMatchObject({
      calls: 3,
      billed_calls: 3,
      images: 3,
      by_lane: { standard: { images: 0 }, batch: { images: 3, cost_micros: bill.cost_micros } },
      by_batch: { [id]: { display_name: 'svc/test/1', model: MODEL, calls: 3, images: 3 } },
    });
    expect(lines.map(({ key }) => key)).toEqual(keysTo(3));
    expect(lines.reduce((sum, { cost_micros }) => sum + cost_micros, 0)).toBe(bill.cost_micros);
    for (const { charges } of lines) {
      const [
        { prompt_tokens, image_tokens, text_tokens, cost_micros } = {
          prompt_tokens: 0,
          image_tokens: 0,
          text_tokens: 0,
          cost_micros: 0,
        },
      ] = charges;
      expect(cost_micros).toBe(Math.round((2 * prompt_tokens + 120 * image_tokens + 12 * text_tokens) / 2));
    }
  });

  it('answers a line that makes no sense with an error, and the others all the same', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const lines = [
      { key: 'good', request: request('a boat') },
      { key: 'wide', request: { ...request('x'), generationConfig: { imageConfig: { aspectRatio: '9:1' } } } },
      { key: 'odd', request: { contents: 'x' } },
      { key: 'bare' },
      {
        key: 'gone',
        request: { contents: [{ parts: [{ fileData: { fileUri: `${emulator.url}/v1beta/files/none` } }] }] },
      },
      { request: request('nameless') },
    ];
    const file = await upload(emulator, `\n${lines.map((line) => JSON.stringify(line)).join('\r\n\n')}`);
    const { name } = (await (await create(emulator, { file: file['name'] ?? '' })).json()) as { name: string };
    emulator.control.advance(HOUR);

    const codes = (await results(emulator, name.slice(8))).map(({ key = '', error }) => [key, error?.code]);
    expect(Object.fromEntries(codes)).toEqual({ good: undefined, wide: 3, odd: 3, bare: 3, gone: 7, '': undefined });
    expect(emulator.control.bill()).toMatchObject({ calls: 6, billed_calls: 2 });
  });
});

describe('creating a batch', () => {
  it('makes two of two calls alike, and bills both', async () => {
    await using emulator = await startEmulator({ settings: STOPPED });
    const file = await upload(emulator, jsonl(['a']));

    const ids = await Promise.all(
      [1, 2].map(
        async () => ((await (await create(emulator, { file: file['name'] ?? '' })).json()) as { name: string }).name,
      ),
    );
    emulator.control.advance(HOUR);

    expect(new Set(ids).size).toBe(2);
    expect(emulator.control.bill().images).toBe(2);
    const creations = emulator.control.journal().entries.filter(({ route }) => route === 'create_batch');
    expect(creations.map(({ batch }) => `batches/${batch}`).toSorted()).toEqual(ids.toSorted());
    expect(creations[0]).toMatchObject({ display_name: 'a batch', model: MODEL, file: file['name']?.slice(6) });
  });

  it.each<[name: string, body: object, status: number, message: string]>([
    ['no input', { displayName: 'x' }, 400, 'exactly one of file_name and requests'],
    ['two inputs', { inputConfig: { fileName: 'files/a', requests: { requests: [] } } }, 400, 'exactly one of'],
    ['an unknown field', { dest: 'x' }, 400, "at 'batch': Cannot find field"],
    [
      'a wrong request',
      { inputConfig: { requests: { requests: [{ request: { prompt: 1 } }] } } },
      400,
      "at 'batch.input_config.requests.requests[0].request': Cannot find field",
    ],
    [
      'a file that is not there',
      { inputConfig: { fileName: 'files/none' } },
      403,
      'do not have permission to access the File none',
    ],
    ['no requests', { input_config: { requests: { requests: [] } } }, 400, 'The input has no requests.'],
    ['a strange priority', { priority: 'high', inputConfig: { fileName: 'files/a' } }, 400, 'priority'],
  ])('refuses %s', async (_, batch, status, message) => {
    await using emulator = await startEmulator();
    const response = await create(emulator, { batch });

    expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(message)]);
    expect(emulator.control.batches()).toEqual([]);
  });

  it('refuses a model that is not there, input that is no JSONL, and more than 20 MB of inline requests', async () => {
    await using emulator = await startEmulator();
    const file = await upload(emulator, 'not json\n');
    const large = { inputConfig: { requests: { requests: [{ request: request('x'.repeat(21 * 1024 * 1024)) }] } } };

    expect((await create(emulator, { model: 'gemini-9' })).status).toBe(404);
    const bad = await create(emulator, { file: file['name'] ?? '' });
    expect([bad.status, await bad.text()]).toEqual([400, expect.stringContaining('Each line must be a JSON object')]);
    const refused = await create(emulator, { batch: large });
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('payload size exceeds')]);
  });

  it('is limited to so many batches and tokens that are not over, apart from other calls', async () => {
    await using emulator = await startEmulator({
      settings: { ...STOPPED, quotas: { rpm: 1 }, batches: { jobs_max: 2, enqueued_tokens: { [MODEL]: 14 } } },
    });
    const file = (await upload(emulator, jsonl(['a', 'b'])))['name'] ?? '';
    const creations: Response[] = [];
    for (let i = 0; i < 3; i += 1) creations.push(await create(emulator, { file }));
    expect(creations.map(({ status }) => status)).toEqual([200, 200, 429]);
    const refusal = JSON.parse((await creations[2]?.text()) ?? '') as Refused;
    expect(refusal.error.details?.map((detail) => detail['@type'])).toEqual(['type.googleapis.com/google.rpc.Help']);

    emulator.control.patchSettings({ batches: { enqueued_tokens: { [MODEL]: 14 } } });
    expect((await create(emulator, { file })).status).toBe(429);
    emulator.control.advance(HOUR);
    expect((await create(emulator, { file })).status).toBe(200);
  });

  it('belongs to a project', async () => {
    await using emulator = await startEmulator({ settings: { ...STOPPED, quotas: { project: 'key_prefix' } } });
    const file = (await upload(emulator, jsonl(['a']), { key: 'a.1' }))['name'] ?? '';

    expect((await create(emulator, { file, key: 'b.1' })).status).toBe(403);
    const { name } = (await (await create(emulator, { file, key: 'a.2' })).json()) as { name: string };
    expect((await call(emulator, 'GET', `v1/${name}`, undefined, 'b.1')).status).toBe(404);
    expect((await call(emulator, 'GET', `v1/${name}`, undefined, 'a.1')).status).toBe(200);
  });
});
