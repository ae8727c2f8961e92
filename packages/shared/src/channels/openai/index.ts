export { createOpenAiChannel, OPENAI_BASE_URL, type OpenAiChannelOptions } from './channel.ts';
