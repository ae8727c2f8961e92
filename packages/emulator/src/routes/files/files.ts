/** Shows, lists, deletes and downloads files. */
import type { StoredFile } from '../../files/file-store.ts';
import { isActive, toFileView } from '../../files/file-view.ts';
import { ENTITY_NOT_FOUND, fileForbidden, GoogleError, invalidArgument } from '../../http/google-error.ts';
import { pageOf } from '../../page.ts';
import { answer, answerJson, type Call } from '../call.ts';
import { baseOf } from './base.ts';

export async function getFile(call: Call): Promise<void> {
  await answerJson(call, toFileView(fileOf(call), call.world.clock.now(), baseOf(call)));
}

export async function listFiles(call: Call): Promise<void> {
  const { files, clock } = call.world;
  const { items, nextPageToken } = pageOf(files.list(call.project), call.url.searchParams);
  const views = items.map((file) => toFileView(file, clock.now(), baseOf(call)));
  await answerJson(call, { ...(views.length > 0 && { files: views }), ...(nextPageToken && { nextPageToken }) });
}

export async function deleteFile(call: Call): Promise<void> {
  call.world.files.remove(fileOf(call).id);
  await answerJson(call, {});
}

/** Sends what a file holds, on either path Google serves it under. */
export async function downloadFile(call: Call): Promise<void> {
  if (call.url.searchParams.get('alt') !== 'media') {
    throw new GoogleError(invalidArgument('Only media downloads are supported: set alt=media.'));
  }
  const file = fileOf(call);
  if (file.source === 'UPLOADED') throw new GoogleError(NOT_GENERATED);
  if (!isActive(file, call.world.clock.now())) throw new GoogleError(ENTITY_NOT_FOUND);
  await answer(call, { source: file.content.bytes, contentType: file.mimeType });
}

const NOT_GENERATED = invalidArgument('Only generated files can be downloaded.');

/** @throws GoogleError 403 for a file that is gone, was never there, or is another project's. */
function fileOf(call: Call): StoredFile {
  const id = call.params['file'] ?? '';
  call.world.journal.update(call.entry, { file: id });
  const file = call.world.files.get(id, call.project);
  if (!file) throw new GoogleError(fileForbidden(id));
  return file;
}
