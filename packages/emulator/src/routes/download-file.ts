/** Downloads a generated file, on either path Google serves it under. */
import { fileForbidden, GoogleError, invalidArgument } from '../http/google-error.ts';
import { answer, type Call } from './call.ts';

export async function downloadFile(call: Call): Promise<void> {
  if (call.url.searchParams.get('alt') !== 'media') {
    throw new GoogleError(invalidArgument('Only media downloads are supported: set alt=media.'));
  }
  const id = call.params['file'] ?? '';
  const file = call.world.files.get(id);
  if (!file) throw new GoogleError(fileForbidden(id));
  await answer(call, { pieces: [file.bytes], contentType: file.mimeType });
}
