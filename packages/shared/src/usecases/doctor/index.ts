export * from './check-channel.ts';
export { providerClockCheck } from './check-clock.ts';
export * from './check-disk.ts';
export * from './check-redis.ts';
export * from './check-setup.ts';
export * from './check-storage.ts';
export * from './examine.ts';
export { type Check, ok, problem } from './finding.ts';
export * from './print-report.ts';
