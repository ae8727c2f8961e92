import { startEmulator } from '@darkroom/emulator';
import { Storage } from '@google-cloud/storage';
import { describe, expect, it } from 'vitest';
import { startGcsEmulator } from '../support/gcs-emulator/index.ts';

const HOUR = 3_600_000;
const PLACE = 'v1/projects/studio/locations/global';

type Job = { name: string; state: string; outputInfo?: { gcsOutputDirectory: string } };

describe('a batch prediction job of the emulator', () => {
  it('reads its lines from a bucket, and leaves them there with their images', async () => {
    await using gcs = await startGcsEmulator({ buckets: ['nights'] });
    await using emulator = await startEmulator({
      settings: { clock_scale: 0, render: 'fast', signature_bytes: 64, vertex: { gcs_endpoint: gcs.url } },
    });
    const bucket = new Storage({ apiEndpoint: gcs.url, projectId: 'studio' }).bucket('nights');
    const ask = async (path: string, body?: object): Promise<Job> => {
      const response = await fetch(`${emulator.url}/${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { authorization: 'Bearer studio.token', 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      return (await response.json()) as Job;
    };
    const lines = ['a', 'b'].map((key) => ({ key, request: { contents: [{ role: 'user', parts: [{ text: key }] }] } }));
    await bucket
      .file('in/night 1.jsonl')
      .save(lines.map((line) => JSON.stringify(line)).join('\n'), { resumable: false });

    const { name } = await ask(`${PLACE}/batchPredictionJobs`, {
      displayName: 'night',
      model: 'publishers/google/models/gemini-3-pro-image',
      inputConfig: { instancesFormat: 'jsonl', gcsSource: { uris: ['gs://nights/in/night 1.jsonl'] } },
      outputConfig: { predictionsFormat: 'jsonl', gcsDestination: { outputUriPrefix: 'gs://nights/out/' } },
    });
    emulator.control.advance(12 * HOUR);
    const { state, outputInfo } = await ask(`v1/${name}`);

    expect(state).toBe('JOB_STATE_SUCCEEDED');
    const directory = outputInfo?.gcsOutputDirectory.replace('gs://nights/', '') ?? '';
    const object = encodeURIComponent(`${directory}/predictions.jsonl`);
    const text = await (await fetch(`${gcs.url}/storage/v1/b/nights/o/${object}?alt=media`)).text();
    const written = text.trim().split('\n');
    expect(new Set(written.map((line) => (JSON.parse(line) as { key: string }).key))).toEqual(new Set(['a', 'b']));
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      status: '',
      response: { candidates: [{ content: { parts: [{ inlineData: { mimeType: 'image/jpeg' } }] } }] },
    });
  });
});
