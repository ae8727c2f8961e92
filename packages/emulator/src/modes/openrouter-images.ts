/** OpenRouter's way to ask for nothing but images. */
import { z } from 'zod';
import { encodeJson } from '../answer/json.ts';
import type { Presented } from '../answer/present.ts';
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import type { Model } from '../models.ts';
import type { Body, Call } from '../routes/call.ts';
import type { Asked, Dialect, Job } from '../routes/generate-content.ts';
import { errorInside, usageOf } from './chat.ts';
import { checkCredits } from './credits.ts';
import { partOfUrl } from './image-url.ts';
import { refusal } from './openai-images.ts';
import { openRouterModel } from './openrouter-models.ts';
import { readBodyAs } from './read-body.ts';

const Reference = z.union([
  z.string(),
  z.object({ image_url: z.union([z.string(), z.object({ url: z.string() })]) }),
  z.object({ url: z.string() }),
]);

// Other fields are let pass, as they are there.
const ImagesBody = z.object({
  model: z.string(),
  prompt: z.string().min(1),
  n: z.literal(1, 'only one image at a time').nullish(),
  aspect_ratio: z.string().nullish(),
  resolution: z.string().nullish(),
  seed: z.number().int().nullish(),
  output_format: z.enum(['png', 'jpeg']).nullish(),
  input_references: z.array(Reference).nullish(),
});
type ImagesBody = z.infer<typeof ImagesBody>;

export const OPENROUTER_IMAGES: Dialect = { read, refusal, write };

async function read(call: Call): Promise<Asked> {
  const { world, entry } = call;
  const body = await readBodyAs(call, ImagesBody);
  const known = openRouterModel(body.model);
  world.journal.update(entry, { model: known?.id ?? body.model, prompt: body.prompt });
  if (!known) throw new GoogleError(modelNotFound(body.model, entry.version));
  checkCredits(call);
  const mime: Model['mime'] = body.output_format == null ? known.mime : `image/${body.output_format}`;
  return { model: { ...known, mime }, json: toGenerateContent(body), strict: false };
}

function toGenerateContent(body: ImagesBody): unknown {
  const references = (body.input_references ?? []).map((reference) => partOfUrl(urlOf(reference)));
  return {
    contents: [{ parts: [{ text: body.prompt }, ...references] }],
    generationConfig: {
      imageConfig: {
        ...(body.aspect_ratio != null && { aspectRatio: body.aspect_ratio }),
        ...(body.resolution != null && { imageSize: body.resolution }),
      },
      ...(body.seed != null && { seed: body.seed }),
    },
  };
}

function urlOf(reference: z.infer<typeof Reference>): string {
  if (typeof reference === 'string') return reference;
  if ('url' in reference) return reference.url;
  return typeof reference.image_url === 'string' ? reference.image_url : reference.image_url.url;
}

function write({ call }: Job, presented: Presented): Body {
  const { plan, pictures, mime } = presented;
  if (plan.errorInside) return { source: encodeJson(errorInside(plan.errorInside)) };
  return {
    source: encodeJson({
      created: Math.floor(call.entry.at / 1000),
      data: pictures.map((picture) => ({ b64_json: picture, media_type: mime })),
      ...(plan.showsUsage && { usage: usageOf(presented, call.entry.billed?.cost_micros ?? 0) }),
    }),
  };
}
