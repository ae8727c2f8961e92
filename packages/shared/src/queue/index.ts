export * from './lane-queue.ts';
