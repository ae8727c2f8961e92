export * from './action.ts';
export * from './alert.ts';
export {
  type CallCounts,
  callCountsAs,
  errorRate,
  latencyP99,
  timeBucket,
  timePercentile,
} from './alert-calls.ts';
export * from './alert-channel.ts';
export * from './alert-models.ts';
export * from './alert-words.ts';
export * from './answer.ts';
export * from './attempt.ts';
export * from './attempt-end.ts';
export * from './attribute.ts';
export * from './backoff.ts';
export * from './batch.ts';
export type { BatchChange } from './batch-change.ts';
export * from './batch-control.ts';
export * from './batch-rows.ts';
export * from './batch-steps.ts';
export * from './breaker.ts';
export * from './change.ts';
export * from './channel.ts';
export { type Billed, cheapestOn, costOn, estimateOn, imagePriceOn } from './channel-price.ts';
export * from './choose-channel.ts';
export * from './chunk.ts';
export * from './classify.ts';
export * from './control.ts';
export * from './delivery.ts';
export * from './eligible.ts';
export * from './endpoint.ts';
export { newEndpoint, patchEndpoint, rotateOwn, rotateSecret } from './endpoint-change.ts';
export * from './errors.ts';
export * from './event.ts';
export * from './fair-share.ts';
export * from './fingerprint.ts';
export * from './ids.ts';
export * from './job.ts';
export * from './job-filter.ts';
export * from './lesson.ts';
export * from './line-order.ts';
export * from './models.ts';
export * from './money.ts';
export { MAX_ATTEMPTS } from './next-step.ts';
export { failWaiting, moveToModel, type Onward, reroute } from './next-step-ways.ts';
export * from './object-names.ts';
export { bestHealth, faultsOf, type Health, healthOf } from './place-health.ts';
export { allowsPlaceholder } from './placeholder.ts';
export * from './price.ts';
export { createSetCost, quoteCap } from './price-set.ts';
export * from './provider-batch.ts';
export * from './provider-batch-steps.ts';
export {
  type BatchRules,
  created,
  createRefused,
  createUnknown,
  intendCreate,
  isCallOut,
} from './provider-batch-steps-create.ts';
export * from './provider-batch-steps-harvest.ts';
export {
  type Listed,
  look,
  mayBeBilled,
  mayBeLost,
  mayHaveResults,
  notFound,
  observe,
} from './provider-batch-steps-look.ts';
export { type Rescuable, takenBack } from './provider-batch-steps-rescue.ts';
export { isStray, strayId, strayOf, straysUntil } from './provider-batch-steps-stray.ts';
export * from './route.ts';
export * from './scrub.ts';
export * from './template.ts';
export * from './verdict.ts';
