export * from './gemini/index.ts';
export * from './open-batch-channel.ts';
export { type Channels, lookAtChannel, type OpenOptions, openChannels } from './open-channels.ts';
export * from './openai/index.ts';
export * from './openrouter/index.ts';
export * from './vertex/index.ts';
