import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GcsEmulator, startGcsEmulator } from '../../support/gcs-emulator/index.ts';
import { anImage } from '../../support/run-job.ts';
import { startApi, type TestApi } from '../../support/start-api.ts';

const stack = new AsyncDisposableStack();
let emulator: GcsEmulator;
/** One that reads a single bucket beside its own, and one that reads what its credentials can. */
let careful: TestApi;
let open: TestApi;

beforeAll(async () => {
  emulator = stack.adopt(await startGcsEmulator({ buckets: ['ours', 'theirs', 'hidden'] }), (one) => one.close());
  const photo = await anImage('png', { seed: 5 });
  for (const bucket of ['ours', 'theirs', 'hidden']) {
    const store = createGcsStore({ bucket, prefix: '', apiEndpoint: emulator.url, credentials: emulator.credentials });
    await store.put('assets/other/photo', photo, { contentType: 'image/png' });
  }
  const env = { STORAGE_URL: 'gs://ours/images', GCS_API_ENDPOINT: emulator.url };
  careful = stack.use(await startApi({ env: { ...env, GCS_READ_BUCKETS: 'theirs, more' } }));
  open = stack.use(await startApi({ env: { ...env, GCS_READ_BUCKETS: '*' } }));
});
afterAll(() => stack.disposeAsync());

const submit = (api: TestApi, gcs_uri: string) =>
  api.call('POST', '/v1/jobs', { body: { prompt: 'a mug', references: [{ gcs_uri }], dedup: false } });

describe('a reference in a bucket', () => {
  it('is read from a bucket that the operator allows', async () => {
    expect((await submit(careful, 'gs://theirs/assets/other/photo')).status).toBe(202);
    expect((await submit(open, 'gs://hidden/assets/other/photo')).status).toBe(202);
  });

  it('is refused from any other bucket before it is asked for, with the setting that would allow it', async () => {
    const asked = emulator.journal.length;

    const { status, json } = await submit(careful, 'gs://hidden/assets/other/photo');

    expect([status, json.code, json.param]).toEqual([400, 'invalid_request', 'references[0].gcs_uri']);
    expect(json.fix).toContain('GCS_READ_BUCKETS');
    expect(emulator.journal.length).toBe(asked);
  });

  it.each(['gs://ours/assets/other/photo', 'gs://ours/anything'])(
    'is never read from our own, where the images of all tenants lie: %s',
    async (uri) => {
      for (const api of [careful, open]) {
        const { status, json } = await submit(api, uri);

        expect([status, json.code, json.param]).toEqual([400, 'invalid_request', 'references[0].gcs_uri']);
        expect(json.fix).toMatch(/"asset".*"image"/);
      }
    },
  );

  it.each(['gs://../assets', 'gs://./ours', 'gs://-/a'])(
    'is not asked for where the bucket is none: %s',
    async (uri) => {
      const asked = emulator.journal.length;

      expect((await submit(open, uri)).json).toMatchObject({ status: 400, param: 'references[0].gcs_uri' });
      expect(emulator.journal.length).toBe(asked);
    },
  );
});
