import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createFolderStore, type FolderStore } from '@darkroom/shared/storage';
import { createGcsStore } from '@darkroom/shared/storage/gcs';
import { objectStoreContract, type StoreUnderTest } from '@darkroom/shared/testing/object-store-contract';
import { Storage } from '@google-cloud/storage';
import { startGcsEmulator } from '../support/gcs-emulator/index.ts';

const REFUSALS = { expired: 410, forbidden: 403, not_found: 404 } as const;

/** A clock that goes on its own and can be moved ahead. */
function movableClock() {
  let ahead = 0;
  return { now: () => Date.now() + ahead, advance: (ms: number) => void (ahead += ms) };
}

/** The least of a web server: what the API's `/files` route does. */
async function serveFiles(find: () => FolderStore) {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const opened = await find().openSigned(request.url ?? '');
    response.writeHead(
      typeof opened === 'string' ? REFUSALS[opened] : 200,
      typeof opened === 'string' ? {} : opened.headers,
    );
    await pipeline(typeof opened === 'string' ? Readable.from([]) : opened.body, response).catch(() => undefined);
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  };
}

async function openFolder(uploadsAsLinks: boolean): Promise<StoreUnderTest> {
  const parent = await mkdtemp(join(tmpdir(), 'folder-store-'));
  const root = join(parent, 'data');
  const clock = movableClock();
  const server = await serveFiles(() => store);
  const store = createFolderStore({
    root,
    publicUrl: `${server.url}/`,
    signingKey: randomBytes(32),
    clock,
    uploadsAsLinks,
  });
  return {
    store,
    ...clock,
    outage: { begin: () => rename(root, `${root}-away`), end: () => rename(`${root}-away`, root) },
    sendsNosniff: true,
    checksSignatures: true,
    close: async () => {
      await server.close();
      await rm(parent, { recursive: true, force: true });
    },
  };
}

async function openEmulated(prefix: string): Promise<StoreUnderTest> {
  const clock = movableClock();
  const emulator = await startGcsEmulator({ buckets: ['darkroom-test'], clock });
  const { url: apiEndpoint, credentials } = emulator;
  const store = createGcsStore({ bucket: 'darkroom-test', prefix, apiEndpoint, credentials, clock });
  return {
    store,
    ...clock,
    outage: { begin: async () => emulator.setDown(true), end: async () => emulator.setDown(false) },
    loseNextAnswer: () =>
      void emulator.faults.push({ type: 'reset_after_commit', on: ({ method }) => method === 'POST' }),
    sendsNosniff: false,
    checksSignatures: true,
    close: () => emulator.close(),
  };
}

async function openEndpoint(endpoint: string, bucket: string): Promise<StoreUnderTest> {
  const isGoogle = endpoint === 'google';
  const at = isGoogle ? {} : { apiEndpoint: endpoint };
  // A fresh emulator has no bucket yet; an older one refuses to make it again.
  if (!isGoogle) await new Storage({ ...at, projectId: 'test' }).createBucket(bucket).catch(() => undefined);
  const store = createGcsStore({ bucket, prefix: `contract-${randomUUID()}`, ...at });
  return { store, now: Date.now, sendsNosniff: false, checksSignatures: isGoogle, close: async () => undefined };
}

objectStoreContract('a folder, by links', () => openFolder(true));
objectStoreContract('a folder, by copies', () => openFolder(false));
objectStoreContract('GCS, on the emulator', () => openEmulated(''));
objectStoreContract('GCS, below a prefix', () => openEmulated('team/images'));

// Another emulator by its address, or `google` with the credentials of the environment.
// oxlint-disable-next-line node/no-process-env
const { DARKROOM_TEST_GCS_ENDPOINT: endpoint, DARKROOM_TEST_GCS_BUCKET: bucket = 'darkroom-test' } = process.env;
if (endpoint !== undefined) objectStoreContract(`GCS at ${endpoint}`, () => openEndpoint(endpoint, bucket));
