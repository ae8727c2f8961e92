export { type GcsCredentials } from './client.ts';
export { createGcsStore, type GcsStoreOptions } from './gcs-store.ts';
