/** The JSON of a generateContent call as the emulator works with it: known names, camelCase, right types. */
import { z } from 'zod';

const Part = z.object({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  thoughtSignature: z.string().optional(),
  inlineData: z.object({ mimeType: z.string().default(''), data: z.string().default('') }).optional(),
  fileData: z.object({ mimeType: z.string().optional(), fileUri: z.string().default('') }).optional(),
});
const Content = z.object({ role: z.string().default('user'), parts: z.array(Part).default([]) });
export const Wire = z.object({
  contents: z.array(Content).default([]),
  systemInstruction: Content.optional(),
  tools: z.array(z.record(z.string(), z.unknown())).default([]),
  serviceTier: z.string().optional(),
  generationConfig: z
    .object({
      candidateCount: z.number().optional(),
      seed: z.number().optional(),
      responseMimeType: z.string().optional(),
      responseModalities: z.array(z.string().toUpperCase()).optional(),
      thinkingConfig: z
        .object({
          includeThoughts: z.boolean().optional(),
          thinkingBudget: z.number().optional(),
          thinkingLevel: z.string().toLowerCase().optional(),
        })
        .optional(),
      imageConfig: z
        .object({
          aspectRatio: z.string().optional(),
          imageSize: z.string().optional(),
          imageOutputOptions: z.object({ mimeType: z.string().optional() }).optional(),
        })
        .optional(),
    })
    .default({}),
});

/** A body whose fields all exist and have the right types, in camelCase. */
export type WireRequest = z.infer<typeof Wire>;
export type WirePart = z.infer<typeof Part>;

/** The text of the last user turn. */
export function lastWords(contents: WireRequest['contents']): string {
  const turn = contents.findLast(({ role }) => role !== 'model');
  return (turn?.parts ?? []).flatMap(({ text }) => text ?? []).join('\n');
}

/** Every image part, of any turn. */
export function imagesOf(wire: WireRequest): WirePart[] {
  return wire.contents.flatMap(({ parts }) => parts.filter((part) => part.inlineData ?? part.fileData));
}

/** The text of the last user turn, whatever else is wrong with the body: the journal shows refused calls too. */
export function promptOf(json: unknown): string {
  const wire = Wire.pick({ contents: true }).safeParse(json);
  return wire.success ? lastWords(wire.data.contents) : '';
}
