export { createFolderStore, type FolderStore, type FolderStoreOptions } from './folder-store.ts';
export type { OpenedFile } from './served-file.ts';
export { verifySignedUrl } from './signature.ts';
