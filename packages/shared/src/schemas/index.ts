export * from './action.ts';
export * from './api-key.ts';
export * from './batch.ts';
export * from './batch-query.ts';
export {
  ChannelList,
  ChannelView,
  HEALTHS,
  HealthView,
  ParkedView,
  PlaceView,
  WindowView,
} from './channel.ts';
export * from './doctor.ts';
export * from './event.ts';
export * from './event-types.ts';
export { check, checkPlaces, didYouMean, pathOf } from './faults.ts';
export * from './job-view.ts';
export { jsonFault } from './json-fault.ts';
export * from './limits.ts';
export * from './list-jobs.ts';
export * from './manifest.ts';
export { OwnWebhookView } from './own-webhook.ts';
export * from './parse.ts';
export * from './primitives.ts';
export * from './problem.ts';
export * from './quote.ts';
export * from './replay.ts';
export { withFirstModel } from './routing.ts';
export * from './submit-job.ts';
export * from './template.ts';
export * from './webhook.ts';
