/** One line of a batch's input file. */

import { AppError } from '../../../domain/errors.ts';
import type { JobRequest } from '../../../domain/job.ts';
import type { ReferenceInput } from '../../../ports/channel.ts';
import { buildBody } from '../../genai/request.ts';

/** What the provider takes as one request; base64 weighs a third more than the bytes it stands for. */
const LINE_BYTES = 100 * 1024 * 1024;

/**
 * `{"key":…,"request":…}` and a line end, with the very body that the standard lane sends. The same bytes each time.
 *
 * @param references the bytes of `request.references`, or their addresses, in the same order
 * @throws AppError `payload_too_large` above 100 MB, before anything is encoded
 */
export function formatLine(key: string, request: JobRequest, references: readonly ReferenceInput[]): Buffer {
  const bytes = references.filter((input) => Buffer.isBuffer(input));
  const inline = bytes.reduce((sum, { length }) => sum + Math.ceil(length / 3) * 4, 0);
  if (inline + request.prompt.length > LINE_BYTES) throw tooLarge(inline);
  const line = Buffer.from(`${JSON.stringify({ key, request: buildBody(request, references) })}\n`);
  if (line.length > LINE_BYTES) throw tooLarge(line.length);
  return line;
}

function tooLarge(bytes: number): AppError {
  return new AppError('payload_too_large', {
    message: `A request with ${Math.ceil(bytes / 1_048_576)} MB of references and words does not fit into a batch.`,
    param: 'references',
    fix: `Use fewer or smaller references: all of a request takes at most ${LINE_BYTES / 1_048_576} MB in base64.`,
  });
}
