export * from './folder-spool.ts';
export * from './temp-blob.ts';
