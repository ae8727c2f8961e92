export * from './common.ts';
export * from './derived-key.ts';
export * from './env.ts';
