export { createGeminiBatchChannel, type GeminiBatchChannelOptions } from './batch/batch-channel.ts';
export { createGeminiChannel, GEMINI_BASE_URL, type GeminiChannelOptions } from './channel.ts';
