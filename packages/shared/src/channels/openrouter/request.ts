/** A job's request in OpenRouter's two shapes. Pure. */

import type { JobRequest } from '../../domain/job.ts';
import type { ReferenceInput } from '../../ports/channel.ts';
import { captionOf, dataUrlOf, promptWithCaptions, refuseFields, sizeOf } from '../http/request-parts.ts';

type Sent = { references: readonly ReferenceInput[]; model: string };

/** The body of `POST /chat/completions`. @throws Error that names what cannot be carried */
export function chatBody(request: JobRequest, { references, model }: Sent): Record<string, unknown> {
  refuseFields(request, ['safety', 'tools']);
  const { prompt, aspectRatio, seed, thinking } = request;
  const parts = request.references.flatMap((reference, n) => {
    const caption = captionOf(reference, n);
    const image = { type: 'image_url', image_url: { url: dataUrlOf(reference, references[n], n) } };
    return caption ? [{ type: 'text', text: caption }, image] : [image];
  });
  const size = sizeOf(request);
  return {
    model,
    messages: [{ role: 'user', content: [{ type: 'text', text: prompt }, ...parts] }],
    modalities: ['image', 'text'],
    ...((aspectRatio || size) && {
      image_config: { ...(aspectRatio && { aspect_ratio: aspectRatio }), ...(size && { image_size: size }) },
    }),
    ...(seed !== undefined && { seed }),
    ...(thinking && { reasoning: { effort: thinking } }),
  };
}

/** The body of `POST /images`. @throws Error that names what cannot be carried */
export function imagesBody(request: JobRequest, { references, model }: Sent): Record<string, unknown> {
  refuseFields(request, ['safety', 'tools', 'thinking']);
  const { aspectRatio, seed } = request;
  const size = sizeOf(request);
  const inputs = request.references.map((reference, n) => ({
    type: 'image_url',
    image_url: { url: dataUrlOf(reference, references[n], n) },
  }));
  return {
    model,
    prompt: promptWithCaptions(request),
    n: 1,
    ...(aspectRatio && { aspect_ratio: aspectRatio }),
    ...(size && { resolution: size }),
    ...(seed !== undefined && { seed }),
    ...(inputs.length > 0 && { input_references: inputs }),
  };
}
