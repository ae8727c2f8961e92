export * from './channel.ts';
export * from './clock.ts';
export * from './object-store.ts';
export * from './quota.ts';
export * from './spool.ts';
