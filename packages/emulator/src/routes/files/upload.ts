/** Uploads a file in chunks: `POST /upload/{version}/files`, and the same with the `upload_id` that this gave. */

import { onDisk } from '../../files/content.ts';
import type { StoredFile } from '../../files/file-store.ts';
import { toFileView } from '../../files/file-view.ts';
import type { Upload } from '../../files/uploads.ts';
import { readJson } from '../../http/body.ts';
import { ENTITY_NOT_FOUND, GoogleError, invalidArgument, type Refusal } from '../../http/google-error.ts';
import { storageExhausted } from '../../quota-errors.ts';
import type { Fields } from '../../request/message.ts';
import { readMessage } from '../../request/message.ts';
import type { World } from '../../world.ts';
import { answer, answerJson, type Call, reset } from '../call.ts';
import { baseOf } from './base.ts';

const START_FIELDS: Fields = {
  file: {
    type: 'message',
    fields: {
      name: { type: 'string' },
      displayName: { type: 'string' },
      mimeType: { type: 'string' },
      sizeBytes: { type: 'any' },
    },
  },
};
const NAME = /^files\/([a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?)$/;

/** Begins an upload and says where its chunks go. @throws GoogleError 400, 409 for a taken name, 429 without room. */
export async function startUpload(call: Call): Promise<void> {
  const { files, uploads, journal, settings } = call.world;
  const header = (name: string) => String(call.request.headers[`x-goog-upload-${name}`] ?? '');
  if (header('protocol') !== 'resumable' || header('command').trim() !== 'start') throw new GoogleError(NOT_RESUMABLE);
  const declared = readDeclared(await readJson(call.request));
  const sizeBytes = readSize(header('header-content-length'));
  const project = call.project;
  journal.update(call.entry, { ...(declared.id && { file: declared.id }), bytes: sizeBytes ?? 0 });
  const refusal = sizeRefusal(call.world, project, sizeBytes ?? 0);
  if (refusal) throw new GoogleError(refusal);
  if (declared.id !== undefined && files.has(declared.id)) throw new GoogleError(nameTaken(declared.id));

  const mimeType = declared.mimeType ?? (header('header-content-type') || 'application/octet-stream');
  const { uploadId } = uploads.start({ ...declared, mimeType, project, sizeBytes });
  const origin = settings.files.upload_origin ?? baseOf(call);
  const url = `${origin}/upload/${call.entry.version}/files?upload_id=${uploadId}&upload_protocol=resumable`;
  await answer(call, { source: [], headers: { 'x-goog-upload-url': url, 'x-goog-upload-status': 'active' } });
}

/** Takes, ends, asks after or gives up an upload. @throws GoogleError 400 at a wrong offset, 404 for an unknown upload. */
export async function continueUpload(call: Call): Promise<void> {
  const upload = call.world.uploads.find(call.url.searchParams.get('upload_id') ?? '');
  if (!upload) throw new GoogleError(ENTITY_NOT_FOUND);
  const commands = String(call.request.headers['x-goog-upload-command'] ?? '').split(/\s*,\s*/);
  const unknown = commands.find((command) => !COMMANDS.has(command));
  if (unknown !== undefined) throw new GoogleError(invalidArgument(`Invalid X-Goog-Upload-Command: "${unknown}"`));
  if (commands.includes('query')) return answerStatus(call, upload);
  if (upload.status !== 'active') throw new GoogleError(invalidArgument(`Upload is already ${upload.status}.`));
  if (commands.includes('cancel')) {
    call.world.uploads.cancel(upload);
    return answerStatus(call, upload);
  }
  if (commands.includes('upload')) await takeChunk(call, upload);
  if (call.requestBytesMax !== undefined) return reset(call);
  if (!commands.includes('finalize')) return answerStatus(call, upload);
  const file = finish(call, upload);
  const view = { file: toFileView(file, call.world.clock.now(), baseOf(call)) };
  await answerJson(call, view, { 'x-goog-upload-status': 'final' });
}

const COMMANDS: ReadonlySet<string> = new Set(['upload', 'finalize', 'query', 'cancel']);
const NOT_RESUMABLE = invalidArgument(
  'Only resumable uploads are supported: set X-Goog-Upload-Protocol: resumable and X-Goog-Upload-Command: start.',
);

function readDeclared(json: unknown): {
  id: string | undefined;
  displayName: string | undefined;
  mimeType: string | undefined;
} {
  const { file = {} } = readMessage(json, START_FIELDS) as { file?: Record<string, string> };
  const { name, displayName, mimeType } = file;
  const id = name === undefined ? undefined : NAME.exec(name)?.[1];
  if (name !== undefined && id === undefined) throw new GoogleError(BAD_NAME);
  return { id, displayName, mimeType };
}

const BAD_NAME = invalidArgument(
  '* CreateFileRequest.file.name: files/{id}: the ID may contain only lowercase alphanumeric characters or dashes (-), ' +
    'cannot begin or end with a dash, and may be at most 40 characters.\n',
);

function readSize(header: string): number | undefined {
  if (header === '') return undefined;
  if (!/^\d{1,15}$/.test(header))
    throw new GoogleError(invalidArgument('Invalid X-Goog-Upload-Header-Content-Length.'));
  return Number(header);
}

function sizeRefusal({ files, settings }: World, project: string, bytes: number): Refusal | undefined {
  const { file_bytes: most, storage_bytes: room } = settings.files;
  if (bytes > most) return invalidArgument(`File size ${bytes} exceeds the limit: ${most} bytes.`);
  return files.usedBytes(project) + bytes > room ? storageExhausted(room) : undefined;
}

function nameTaken(id: string): Refusal {
  return { http: 409, status: 'ALREADY_EXISTS', message: `File files/${id} already exists.` };
}

async function takeChunk(call: Call, upload: Upload): Promise<void> {
  const { uploads, journal, settings } = call.world;
  const offset = String(call.request.headers['x-goog-upload-offset'] ?? '');
  if (upload.busy || offset !== String(upload.received)) {
    throw new GoogleError(invalidArgument(`Invalid upload offset ${offset}: ${upload.received} bytes were received.`));
  }
  const before = upload.received;
  const bytesMax = upload.sizeBytes ?? settings.files.file_bytes;
  const fits = await uploads.append(upload, firstBytes(call), bytesMax);
  journal.update(call.entry, { bytes: upload.received - before });
  if (!fits) throw new GoogleError(invalidArgument(`More than the declared ${bytesMax} bytes were uploaded.`));
}

async function* firstBytes({ request, requestBytesMax = Number.POSITIVE_INFINITY }: Call): AsyncGenerator<Buffer> {
  let left = requestBytesMax;
  // A request that is not read to its end still wants its answer, which a destroyed one cannot get.
  const source: AsyncIterable<Buffer> = request.iterator({ destroyOnReturn: false });
  for await (const bytes of source) {
    yield bytes.subarray(0, left);
    left -= bytes.length;
    if (left <= 0) return;
  }
}

function answerStatus(call: Call, { status, received }: Upload): Promise<void> {
  const headers = { 'x-goog-upload-status': status, 'x-goog-upload-size-received': String(received) };
  return answer(call, { source: [], headers });
}

function finish(call: Call, upload: Upload): StoredFile {
  const { files, uploads, journal, clock, disk, settings } = call.world;
  const { received, sizeBytes } = upload;
  if (received === 0 || (sizeBytes ?? received) !== received) {
    throw new GoogleError(invalidArgument(`The upload is not complete: ${received} of ${sizeBytes ?? 'some'} bytes.`));
  }
  const refusal = sizeRefusal(call.world, upload.project, received);
  if (refusal) throw new GoogleError(refusal);
  const now = clock.now();
  const id = upload.id ?? files.newId();
  const file = files.add({
    id,
    project: upload.project,
    displayName: upload.displayName,
    mimeType: upload.mimeType,
    sizeBytes: received,
    sha256Hex: upload.hash.digest('hex'),
    source: 'UPLOADED',
    createdAt: now,
    activeAt: now + settings.files.processing_ms,
    expiresAt: now + settings.files.life_ms,
    content: onDisk(disk, upload.path),
  });
  if (!file) {
    uploads.cancel(upload);
    throw new GoogleError(nameTaken(id));
  }
  upload.status = 'final';
  journal.update(call.entry, { file: id });
  return file;
}
