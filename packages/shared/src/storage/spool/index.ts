export { createFileSums, type FileSums } from './file-sums.ts';
export * from './folder-spool.ts';
export * from './raw-file.ts';
export * from './temp-blob.ts';
