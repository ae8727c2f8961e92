export { type GcsCredentials } from './client.ts';
export { createGcsBucket, type GcsBucket, type GcsBucketOptions } from './gcs-bucket.ts';
export { createGcsStore, type GcsStoreOptions } from './gcs-store.ts';
