/** A job's request as OpenAI's images interface wants it. Pure. */

import type { ImageMime, JobRequest } from '../../domain/job.ts';
import type { ReferenceInput } from '../../ports/channel.ts';
import { bytesOf, promptWithCaptions, refuseFields } from '../http/request-parts.ts';
import { type FilePart, multipart } from './multipart.ts';
import { isOpenAiModel, pixelsOf } from './pixels.ts';

const EXTENSIONS: Record<ImageMime, string> = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' };

/** The body of `POST /images/generations`. @throws Error that names what cannot be carried */
export function generationBody(request: JobRequest, model: string): Record<string, unknown> {
  refuseFields(request, ['seed', 'thinking', 'safety', 'tools']);
  const size = pixelsOf(request, model);
  return {
    model,
    prompt: promptWithCaptions(request),
    n: 1,
    ...(size && { size }),
    // OpenAI's own models answer with base64 always and take no word about it; everybody else has to be told.
    ...(isOpenAiModel(model) ? { output_format: 'png' } : { response_format: 'b64_json' }),
  };
}

/** The body of `POST /images/edits`: the same, with the references as files. @throws Error that names what cannot be carried */
export function editBody(
  request: JobRequest,
  { references, model, boundary }: { references: readonly ReferenceInput[]; model: string; boundary: string },
): Buffer {
  const fields = Object.entries(generationBody(request, model)).map(([name, value]) => [name, String(value)]);
  const files = request.references.map(({ mime }, n): FilePart => {
    const filename = `reference-${n + 1}.${EXTENSIONS[mime]}`;
    return { name: 'image[]', filename, type: mime, bytes: bytesOf(references[n], n) };
  });
  return multipart(Object.fromEntries(fields), files, boundary);
}
