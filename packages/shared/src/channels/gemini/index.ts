export { createGeminiChannel, GEMINI_BASE_URL, type GeminiChannelOptions } from './channel.ts';
