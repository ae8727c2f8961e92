export { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client';
export * from './log.ts';
export * from './metrics.ts';
export * from './crash-point.ts';
