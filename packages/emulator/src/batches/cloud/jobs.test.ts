import { type BatchJob, GoogleGenAI, JobState } from '@google/genai';
import { describe, expect, it } from 'vitest';
import type { FaultRule } from '../../faults/rules.ts';
import { type Emulator, startEmulator } from '../../server.ts';
import type { SettingsPatch } from '../../settings.ts';
import { course, HOUR, jsonl, keysTo, STOPPED } from '../../testing/batch.ts';
import { openBucket, type TestBucket } from '../../testing/bucket.ts';
import { apiErrorOf, MODEL } from '../../testing/client.ts';

type ResultLine = {
  key?: string;
  status: string;
  processed_time: string;
  request: unknown;
  response: { candidates?: object[]; createTime?: string; usageMetadata?: { trafficType: string } };
};

const SOURCE = 'gs://studio/in/night.jsonl';

async function started(
  options: { lines?: string; faults?: FaultRule[]; settings?: SettingsPatch } = {},
): Promise<AsyncDisposable & { emulator: Emulator; bucket: TestBucket; ai: GoogleGenAI }> {
  const { lines = jsonl(keysTo(3)), faults = [], settings = {} } = options;
  const bucket = await openBucket({ 'studio/in/night.jsonl': lines });
  const vertex = { gcs_endpoint: bucket.endpoint };
  const emulator = await startEmulator({ settings: { ...STOPPED, vertex, ...settings }, faults });
  return {
    emulator,
    bucket,
    ai: cloud(emulator),
    async [Symbol.asyncDispose]() {
      await emulator.close();
      await bucket[Symbol.asyncDispose]();
    },
  };
}

/** The real SDK; with a token of its own it needs no token endpoint. */
function cloud({ url }: Emulator, project = 'studio-1', location = 'global'): GoogleGenAI {
  return new GoogleGenAI({
    vertexai: true,
    project,
    location,
    httpOptions: { baseUrl: url, headers: { authorization: `Bearer ${project}.token` } },
    googleAuthOptions: { authClient: new NoAuth() as never },
  });
}

/** Adds nothing to a request. */
class NoAuth {
  getRequestHeaders(): Promise<Headers> {
    return Promise.resolve(new Headers());
  }
}

const create = (ai: GoogleGenAI, displayName = 'night', src = SOURCE): Promise<BatchJob> =>
  ai.batches.create({ model: MODEL, src, config: { displayName, dest: 'gs://studio/out' } });

const nameOf = ({ name = '' }: BatchJob): string => name;

async function over({ emulator, ai }: { emulator: Emulator; ai: GoogleGenAI }, job: BatchJob): Promise<BatchJob> {
  emulator.control.advance(12 * HOUR);
  return ai.batches.get({ name: nameOf(job) });
}

function outputOf({ objects }: TestBucket, { outputInfo }: BatchJob): ResultLine[] {
  const directory = outputInfo?.gcsOutputDirectory?.replace('gs://', '') ?? '';
  const text = objects.get(`${directory}/predictions.jsonl`) ?? '';
  return text
    .split('\n')
    .filter(Boolean)
    .map((line): ResultLine => JSON.parse(line));
}

describe('a batch prediction job', () => {
  it('is pending, runs, and leaves every line with its answer in the bucket, at half the price', async () => {
    await using system = await started();
    const { emulator, ai, bucket } = system;
    const created = await create(ai);
    expect(created).toMatchObject({
      displayName: 'night',
      state: JobState.JOB_STATE_PENDING,
      model: `publishers/google/models/${MODEL}`,
      src: { gcsUri: [SOURCE], format: 'jsonl' },
      dest: { gcsUri: 'gs://studio/out', format: 'jsonl' },
    });
    expect(created.name).toMatch(/^projects\/studio-1\/locations\/global\/batchPredictionJobs\/[1-9]\d{18}$/);

    emulator.control.setCourse(nameOf(created).split('/').at(-1) ?? '', { pendingMs: 1000, runningMs: HOUR });
    emulator.control.advance(2000);
    expect((await ai.batches.get({ name: nameOf(created) })).state).toBe(JobState.JOB_STATE_RUNNING);

    const job = await over(system, created);
    expect(job).toMatchObject({ state: JobState.JOB_STATE_SUCCEEDED, completionStats: { successfulCount: '3' } });
    expect(job.outputInfo?.gcsOutputDirectory).toMatch(
      /^gs:\/\/studio\/out\/prediction-model-\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$/,
    );
    const lines = outputOf(bucket, job);
    expect(new Set(lines.map(({ key }) => key))).toEqual(new Set(['row-1', 'row-2', 'row-3']));
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatchObject({
      status: '',
      request: { contents: [{ parts: [{ text: expect.stringContaining('picture of') }] }] },
      response: { candidates: [{ finishReason: 'STOP' }], usageMetadata: { trafficType: 'ON_DEMAND' } },
    });
    expect(lines[0]?.processed_time).toMatch(/^\d{4}-.*\+00:00$/);
    expect(emulator.control.bill()).toMatchObject({
      images: 3,
      by_lane: { batch: { billed_calls: 3 } },
      by_project: { 'studio-1': { images: 3 } },
    });
  });

  it('echoes whatever else stands on a line, and tells of a refused one in its status', async () => {
    const bad = JSON.stringify({ id: 7, request: { contents: [] } });
    await using system = await started({ lines: `${bad}\n${jsonl(['a'])}` });
    const job = await over(system, await create(system.ai));

    const lines = outputOf(system.bucket, job);
    const refused = lines.find((line) => 'id' in line);
    expect(refused).toMatchObject({ id: 7, request: { contents: [] }, response: {} });
    expect(refused?.status).toMatch(
      /^Bad Request: \{"error":\{"code":400,"message":.*"status":"INVALID_ARGUMENT"\}\}$/,
    );
    expect(job).toMatchObject({
      state: JobState.JOB_STATE_SUCCEEDED,
      completionStats: { successfulCount: '1', failedCount: '1' },
    });
  });

  it('may come with twenty lines of one key, each of them paid, and with lines that are missing', async () => {
    const faults: FaultRule[] = [
      { match: { keyIncludes: 'row-1' }, fault: { kind: 'line_duplicated' } },
      { match: { keyIncludes: 'row-2' }, fault: { kind: 'line_missing' } },
    ];
    await using system = await started({ faults });
    const job = await over(system, await create(system.ai));

    const keys = outputOf(system.bucket, job).map(({ key }) => key);
    expect(keys.filter((key) => key === 'row-1')).toHaveLength(20);
    expect(keys).not.toContain('row-2');
    expect(system.emulator.control.bill().images).toBe(21);
  });

  it('may succeed in part', async () => {
    await using system = await started({ lines: jsonl(keysTo(4)), faults: course({ done: 0.5 }) });
    const job = await over(system, await create(system.ai));

    expect(job).toMatchObject({
      state: JobState.JOB_STATE_PARTIALLY_SUCCEEDED,
      completionStats: { successfulCount: '2', incompleteCount: '2' },
    });
    expect(outputOf(system.bucket, job)).toHaveLength(2);
  });

  it('fails with a reason: of its course, of an input that is not there, of a bucket it may not write', async () => {
    const error = { code: 8, message: 'Out of machines.' };
    await using system = await started({
      faults: [{ times: 1, fault: { kind: 'course', ends: 'failed', error } }],
    });
    const { ai, bucket } = system;

    expect(await over(system, await create(ai))).toMatchObject({ state: JobState.JOB_STATE_FAILED, error });
    const lost = await over(system, await create(ai, 'lost', 'gs://studio/in/nowhere.jsonl'));
    expect(lost).toMatchObject({
      state: JobState.JOB_STATE_FAILED,
      error: { message: expect.stringContaining('404') },
    });
    bucket.refuseWrites();
    const shut = await over(system, await create(ai, 'shut'));
    expect(shut).toMatchObject({ state: JobState.JOB_STATE_FAILED, error: { code: 7 } });
  });

  it('is cancelled where it stands, and deleted only once it is over', async () => {
    await using system = await started();
    const { ai, emulator } = system;
    const job = await create(ai);
    const name = nameOf(job);

    expect((await apiErrorOf(ai.batches.delete({ name }))).message).toContain('FAILED_PRECONDITION');
    await ai.batches.cancel({ name });
    expect((await ai.batches.get({ name })).state).toBe(JobState.JOB_STATE_CANCELLED);
    expect(await ai.batches.delete({ name })).toMatchObject({ done: true });
    expect((await apiErrorOf(ai.batches.get({ name }))).status).toBe(404);
    expect(emulator.control.bill().images).toBe(0);
  });

  it('may be queued before it is pending, and takes its time to cancel', async () => {
    await using system = await started({
      faults: course({ queuedMs: 1000, pendingMs: 2000, runningMs: HOUR, cancellingMs: 5000 }),
    });
    const { ai, emulator } = system;
    const name = nameOf(await create(ai));
    const stateAfter = async (ms: number) => {
      emulator.control.advance(ms);
      return (await ai.batches.get({ name })).state;
    };

    expect([await stateAfter(0), await stateAfter(1000), await stateAfter(1000)]).toEqual([
      JobState.JOB_STATE_QUEUED,
      JobState.JOB_STATE_PENDING,
      JobState.JOB_STATE_RUNNING,
    ]);
    emulator.control.advance(HOUR / 2);
    await ai.batches.cancel({ name });
    expect(await stateAfter(4000)).toBe(JobState.JOB_STATE_CANCELLING);
    await ai.batches.cancel({ name });
    expect(await stateAfter(1000)).toBe(JobState.JOB_STATE_CANCELLED);
    expect(emulator.control.bill().images).toBe(1);
  });

  it('is listed with the others of its place, newest first, page by page, as a filter wants it', async () => {
    await using system = await started();
    const { ai, emulator } = system;
    for (const name of ['one', 'two', 'three']) {
      await create(ai, name);
      emulator.control.advance(1000);
    }
    await create(cloud(emulator, 'studio-2'), 'of another');
    const listed = async (config: object): Promise<(string | undefined)[]> => {
      const names: (string | undefined)[] = [];
      for await (const { displayName } of await ai.batches.list({ config })) names.push(displayName);
      return names;
    };

    expect(await listed({ pageSize: 2 })).toEqual(['three', 'two', 'one']);
    expect(await listed({ filter: 'display_name="two"' })).toEqual(['two']);
    expect(await listed({ filter: 'state="JOB_STATE_PENDING" AND displayName!="two"' })).toEqual(['three', 'one']);
    expect(await listed({ filter: 'create_time<"2000-01-01T00:00:00Z"' })).toEqual([]);
    expect((await apiErrorOf(ai.batches.list({ config: { filter: 'nonsense' } }))).status).toBe(400);
    await expect(create(cloud(emulator, 'studio-1', 'us-central1'), 'elsewhere')).resolves.toBeDefined();
    expect(await listed({})).toHaveLength(3);
  });

  it('counts against the jobs and tokens of its own project alone', async () => {
    const projects = { 'studio-1': { batches: { jobs_max: 1 } }, 'studio-2': { batches: { enqueued_tokens: 5 } } };
    await using system = await started({ settings: { projects } });
    const { ai, emulator } = system;
    const job = await create(ai);

    expect((await apiErrorOf(create(ai))).status).toBe(429);
    expect((await apiErrorOf(create(cloud(emulator, 'studio-2')))).message).toContain('RESOURCE_EXHAUSTED');
    await over(system, job);
    await expect(create(ai)).resolves.toBeDefined();
  });

  it('exists when the answer to its creation was lost', async () => {
    const faults: FaultRule[] = [
      { match: { route: 'create_batch' }, times: 1, fault: { kind: 'reset_after_billing' } },
    ];
    await using system = await started({ faults });

    await expect(create(system.ai)).rejects.toThrow('fetch failed');
    expect((await system.ai.batches.list()).page).toMatchObject([{ displayName: 'night' }]);
  });
});
