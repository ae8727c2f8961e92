export * from './seal.ts';
export * from './sign.ts';
export * from './verify.ts';
