export {
  createFolderStore,
  type FolderStore,
  type FolderStoreOptions,
  type OpenedFile,
  verifySignedUrl,
} from './folder/index.ts';
export { openBucket } from './open-bucket.ts';
export {
  type OpenedStore,
  type OpenStoreOptions,
  openStore,
  parseStorageUrl,
  type StorageLocation,
} from './open-store.ts';
