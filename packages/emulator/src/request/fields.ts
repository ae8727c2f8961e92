/** The fields of a GenerateContentRequest that the Gemini API knows, in the spelling of its JSON. */
import type { Field, Fields } from './message.ts';

const string: Field = { type: 'string' };
const number: Field = { type: 'number' };
const integer: Field = { type: 'integer' };
const boolean: Field = { type: 'boolean' };
const bytes: Field = { type: 'bytes' };
const any: Field = { type: 'any' };
const message = (fields: Fields): Field => ({ type: 'message', fields });
const repeated = (of: Field): Field => ({ type: 'repeated', of });
const oneOf = (name: string, ...values: string[]): Field => ({
  type: 'enum',
  name: `google.ai.generativelanguage.v1main.${name}`,
  values,
});

const part = message({
  text: string,
  thought: boolean,
  thoughtSignature: bytes,
  inlineData: message({ mimeType: string, data: bytes, displayName: string }),
  fileData: message({ mimeType: string, fileUri: string, displayName: string }),
  functionCall: any,
  functionResponse: any,
  executableCode: any,
  codeExecutionResult: any,
  videoMetadata: any,
  mediaResolution: any,
  partMetadata: any,
});

const content = message({ role: string, parts: repeated(part) });

const safetySetting = message({
  category: oneOf(
    'HarmCategory',
    'HARM_CATEGORY_HARASSMENT',
    'HARM_CATEGORY_HATE_SPEECH',
    'HARM_CATEGORY_SEXUALLY_EXPLICIT',
    'HARM_CATEGORY_DANGEROUS_CONTENT',
    'HARM_CATEGORY_CIVIC_INTEGRITY',
    'HARM_CATEGORY_JAILBREAK',
  ),
  threshold: oneOf(
    'SafetySetting.HarmBlockThreshold',
    'OFF',
    'BLOCK_NONE',
    'BLOCK_ONLY_HIGH',
    'BLOCK_MEDIUM_AND_ABOVE',
    'BLOCK_LOW_AND_ABOVE',
  ),
});

const imageConfig = { aspectRatio: string, imageSize: string };

const generationConfig: Fields = {
  temperature: number,
  topP: number,
  topK: number,
  candidateCount: integer,
  maxOutputTokens: integer,
  seed: integer,
  stopSequences: repeated(string),
  presencePenalty: number,
  frequencyPenalty: number,
  responseLogprobs: boolean,
  logprobs: integer,
  responseMimeType: string,
  responseSchema: any,
  responseJsonSchema: any,
  mediaResolution: string,
  speechConfig: any,
  responseModalities: repeated(
    oneOf('GenerationConfig.Modality', 'MODALITY_UNSPECIFIED', 'TEXT', 'IMAGE', 'AUDIO', 'VIDEO'),
  ),
  thinkingConfig: message({
    includeThoughts: boolean,
    thinkingBudget: integer,
    thinkingLevel: oneOf('ThinkingConfig.ThinkingLevel', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH'),
  }),
  imageConfig: message(imageConfig),
};

const tool = message({
  googleSearch: any,
  googleSearchRetrieval: any,
  functionDeclarations: any,
  codeExecution: any,
  urlContext: any,
  googleMaps: any,
  fileSearch: any,
  computerUse: any,
  mcpServers: any,
});

export const GENERATE_CONTENT_FIELDS: Fields = {
  model: string,
  contents: repeated(content),
  systemInstruction: content,
  tools: repeated(tool),
  toolConfig: any,
  safetySettings: repeated(safetySetting),
  generationConfig: message(generationConfig),
  serviceTier: oneOf('ServiceTier', 'UNSPECIFIED', 'FLEX', 'STANDARD', 'PRIORITY'),
  store: boolean,
  labels: any,
  cachedContent: string,
  continuationToken: string,
};

/** Those that Vertex knows: more of the image's output, and of its own safety. */
export const VERTEX_FIELDS: Fields = {
  ...GENERATE_CONTENT_FIELDS,
  safetySettings: repeated(message({ category: string, threshold: string, method: string })),
  generationConfig: message({
    ...generationConfig,
    imageConfig: message({
      ...imageConfig,
      personGeneration: string,
      prominentPeople: string,
      imageOutputOptions: message({ mimeType: string, compressionQuality: integer }),
    }),
  }),
};
