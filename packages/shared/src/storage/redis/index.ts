export * from './api-keys.ts';
export * from './changes.ts';
export * from './connect.ts';
export * from './health.ts';
export * from './ledger.ts';
export * from './quota.ts';
export type { OnUnreadable } from './unreadable.ts';
