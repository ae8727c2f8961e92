export * from './api-key.ts';
export * from './job-view.ts';
export * from './limits.ts';
export * from './list-jobs.ts';
export * from './parse.ts';
export * from './primitives.ts';
export * from './problem.ts';
export * from './submit-job.ts';
