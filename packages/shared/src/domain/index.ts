export * from './answer.ts';
export * from './errors.ts';
export * from './job.ts';
export * from './verdict.ts';
