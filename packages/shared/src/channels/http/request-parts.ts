/** What requests of every kind say alike. Pure. */

import type { JobRequest, Reference } from '../../domain/job.ts';
import type { ReferenceInput } from '../../ports/channel.ts';

/** This model has one size and refuses to be told. */
const SIZELESS: ReadonlySet<string> = new Set(['gemini-2.5-flash-image']);

/** The size to ask for; none where the model has only one. */
export function sizeOf({ model, size }: JobRequest): string | undefined {
  return SIZELESS.has(model) ? undefined : size;
}

/** The words that tie an image to what the prompt calls it; none when the caller gave it neither name nor role. */
export function captionOf({ name, role }: Reference, index: number): string | undefined {
  if (!name && !role) return undefined;
  const about = [name && `"${name}"`, role && `${role} reference`].filter(Boolean).join(', ');
  return `Image ${index + 1} (${about}):`;
}

/** The prompt for where images have no words between them: what each of them is stands at its end. */
export function promptWithCaptions({ prompt, references }: JobRequest): string {
  const captions = references.map(captionOf).filter((caption) => caption !== undefined);
  if (captions.length === 0) return prompt;
  return `${prompt}\n\n${captions.map((caption) => caption.slice(0, -1)).join('\n')}`;
}

/** @throws Error when there are no bytes of it */
export function bytesOf(input: ReferenceInput | undefined, index: number): Buffer {
  if (!Buffer.isBuffer(input)) throw new Error(`references[${index}]: its bytes are missing`);
  return input;
}

/** `data:image/png;base64,…`. @throws Error when there are no bytes of it */
export function dataUrlOf({ mime }: Reference, input: ReferenceInput | undefined, index: number): string {
  return `data:${mime};base64,${bytesOf(input, index).toString('base64')}`;
}

/**
 * Refuses what a shape has no word for, whatever the configuration says of it.
 *
 * @throws Error that names the field
 */
export function refuseFields(request: JobRequest, fields: readonly ('thinking' | 'seed' | 'safety' | 'tools')[]): void {
  const field = fields.find((name) => {
    const value = request[name];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
  if (field) throw new Error(`${field}: this channel does not carry it`);
}
