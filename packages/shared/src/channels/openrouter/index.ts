export { createOpenRouterChannel, OPENROUTER_BASE_URL, type OpenRouterChannelOptions } from './channel.ts';
