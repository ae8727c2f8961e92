/** OpenAI's way to ask for an image made of others: a form with files. */

import { readBody } from '../http/body.ts';
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import type { Call } from '../routes/call.ts';
import type { Dialect } from '../routes/generate-content.ts';
import { askedBy, IMAGE_GENERATIONS, ImagesBody } from './openai-images.ts';
import { checked } from './read-body.ts';

export const IMAGE_EDITS: Dialect = {
  ...IMAGE_GENERATIONS,
  async read(call) {
    const form = await readForm(call);
    const body = checked(wordsOf(form), ImagesBody);
    const files = [...form.getAll('image'), ...form.getAll('image[]'), ...form.getAll('mask')];
    const images = await Promise.all(files.filter((file) => file instanceof File).map(partOf));
    const asked = askedBy(call, body, images, ['input_fidelity']);
    if (images.length > 0) return asked;
    throw new GoogleError({ ...invalidArgument("Missing required parameter: 'image'."), reason: 'image' });
  },
};

async function readForm({ request }: Call): Promise<FormData> {
  const body = await readBody(request);
  const headers = { 'content-type': request.headers['content-type'] ?? '' };
  try {
    return await new Response(new Uint8Array(body), { headers }).formData();
  } catch {
    throw new GoogleError(
      invalidArgument("Could not parse multipart form: the Content-Type must be 'multipart/form-data'."),
    );
  }
}

const NUMBERS = new Set(['n', 'output_compression']);

function wordsOf(form: FormData): Record<string, unknown> {
  const words = [...form].flatMap(([name, value]) => (typeof value === 'string' ? [[name, value] as const] : []));
  return Object.fromEntries(
    words.map(([name, value]) => [
      name,
      NUMBERS.has(name) ? Number(value) : name === 'stream' ? value === 'true' : value,
    ]),
  );
}

async function partOf(file: File): Promise<unknown> {
  const data = Buffer.from(await file.arrayBuffer()).toString('base64');
  return { inlineData: { mimeType: file.type, data } };
}
