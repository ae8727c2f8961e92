export * from './folder-spool.ts';
