export { createVertexChannel, type VertexChannelOptions } from './channel.ts';
export type { VertexCredentials } from './credentials.ts';
export { vertexBaseUrl } from './endpoint.ts';
