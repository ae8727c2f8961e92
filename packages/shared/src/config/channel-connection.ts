/** How a channel is reached, as the configuration says it. Holds references to secrets, never secrets. */

import type { ChannelSpec } from '../domain/channel.ts';
import type { Secret } from './env.ts';

/** A secret by where it lies: `env:NAME` or `file:PATH`. */
export type Credential = {
  reference: string;
  /** Looks it up, each time anew. @throws ConfigError naming the reference, and its line in the file */
  read(): Secret;
};

export type GeminiConnection = {
  kind: 'gemini';
  /** Without a version and without a trailing slash; absent = the Gemini API itself. */
  baseUrl?: string;
  /** `api_key` goes as `x-goog-api-key`; `bearer` as `Authorization`, which relays read. */
  auth: 'api_key' | 'bearer';
  apiKey: Credential;
};

export type VertexConnection = {
  kind: 'vertex';
  /** Absent = the host of the location. */
  baseUrl?: string;
  project: string;
  location: string;
  auth:
    | { type: 'service_account'; key: Credential }
    | { type: 'access_token'; token: Credential }
    /** What the machine itself is signed in as. */
    | { type: 'adc' };
};

export type OpenRouterConnection = {
  kind: 'openrouter';
  /** Absent = OpenRouter itself, with its `/api/v1`. */
  baseUrl?: string;
  shape: 'chat' | 'images';
  apiKey: Credential;
};

export type OpenAiConnection = {
  kind: 'openai';
  /** What `/images/generations` follows; absent = OpenAI itself. */
  baseUrl?: string;
  apiKey: Credential;
};

export type Connection = GeminiConnection | VertexConnection | OpenRouterConnection | OpenAiConnection;

/** How the batch lane uses an account. */
export type BatchPart = {
  /** Most provider batches at a time. */
  slots: number;
  /** The account's allowance of enqueued tokens per model; 0 = none of our own. */
  enqueuedTokens: number;
  /** `gs://bucket/prefix` for input and output, without a trailing slash; Vertex only. */
  bucket?: string;
};

/** A channel and how it is reached; `batch` where it carries that lane. */
export type ConfiguredChannel = ChannelSpec & { connection: Connection; batch?: BatchPart };
