export * from './names.ts';
export * from './wake-queue.ts';
