export * from './changes.ts';
export * from './channel.ts';
export * from './clock.ts';
export * from './ledger.ts';
export * from './object-store.ts';
export * from './queue.ts';
export * from './quota.ts';
export * from './spool.ts';
