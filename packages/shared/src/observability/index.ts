export { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
export * from './crash-point.ts';
export * from './log.ts';
export * from './metrics.ts';
export * from './start-tracing.ts';
export * from './trace.ts';
