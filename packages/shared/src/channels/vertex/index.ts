export { createVertexBatchChannel, type VertexBatchChannelOptions } from './batch/batch-channel.ts';
export type { Bucket, OpenBucket } from './batch/bucket.ts';
export { createVertexChannel, type VertexChannelOptions } from './channel.ts';
export type { VertexCredentials } from './credentials.ts';
export { vertexBaseUrl } from './endpoint.ts';
