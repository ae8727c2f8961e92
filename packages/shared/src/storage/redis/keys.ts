/** Names of all keys. Everything of a tenant shares one hash tag, so one script may touch it in a cluster too. */

import type { Place, Tenant } from '../../domain/index.ts';

const TENANTS_KEPT = 1_000;

export type KeySpace = ReturnType<typeof keySpace>;

export function keySpace(prefix: string) {
  const tenants = new Map<Tenant, ReturnType<typeof tenantKeys>>();
  const of = (tenant: Tenant) => {
    const known = tenants.get(tenant);
    if (known) return known;
    if (tenants.size >= TENANTS_KEPT) tenants.clear();
    const keys = tenantKeys(`${prefix}{t:${tenant}}:`);
    tenants.set(tenant, keys);
    return keys;
  };
  return {
    tenants: `${prefix}tenants`,
    changes: `${prefix}changes`,
    workers: `${prefix}{workers}`,
    worker: (id: string) => `${prefix}{workers}:${id}`,
    apiKey: (id: string) => `${prefix}key:${id}`,
    apiKeys: `${prefix}keys`,
    submissions: (key: string) => `${prefix}submissions:${key}`,
    apiKeysComplete: `${prefix}keys:complete`,
    of,
    latency: (lane: string, model: string, size: string) => `${prefix}{c:${lane}:${model}}:latency:${size}`,
    breaker: (channel: string) => `${prefix}{c:${channel}}:breaker`,
    placeBreaker: (channel: string, model: string) => `${prefix}{c:${channel}}:breaker:${model}`,
    notedCalls: (channel: string, model: string) => `${prefix}{c:${channel}}:noted:${model}`,
    placeCalls: (channel: string, model: string) => `${prefix}{c:${channel}}:calls:${model}:`,
    lines: (model: string) => `${prefix}{q:standard-${model}}:lines`,
    quotas: ({ channel, model }: Place) => quotaKeys(`${prefix}{c:${channel}}:`, model),
    pool: (model: string) => `${prefix}{q:batch:${model}}:pool`,
    stayers: (model: string) => `${prefix}{q:batch:${model}}:pool:stayers`,
    asides: (model: string) => `${prefix}{q:batch:${model}}:asides`,
    aside: (model: string, name: string) => `${prefix}{q:batch:${model}}:aside:${name}`,
    providerBatch: (id: string) => `${prefix}{q:batches}:pb:${id}`,
    openProviderBatches: `${prefix}{q:batches}:open`,
    expectedStrays: `${prefix}{q:batches}:strays`,
    patchedProviderBatches: `${prefix}{q:batches}:patched`,
    providerBatchClaim: (id: string) => `${prefix}{q:batches}:claim:${id}`,
    parkedAccount: ({ channel, model }: { channel: string; model: string }) =>
      `${prefix}{q:batches}:parked:${channel}:${model}`,
    turnCall: (turn: string) => `${prefix}{q:batches}:call:${turn}`,
    turnCause: (turn: string, cause: string) => `${prefix}{q:batches}:call:${turn}:${cause}`,
    calls: (slotMs: number, slot: number) => `${prefix}{alerts}:calls:${slotMs}:${slot}`,
    modelsInUse: `${prefix}{alerts}:models`,
    failovers: `${prefix}{alerts}:failovers`,
    doubtSamples: `${prefix}{alerts}:doubt`,
    alertTurn: `${prefix}{alerts}:turn`,
    lineBytes: (model: string) => `${prefix}{q:batches}:bytes:${model}`,
  };
}

/** In the order in which the quota scripts name them. */
function quotaKeys(tag: string, model: string) {
  return {
    log: `${tag}m:${model}:log`,
    calls: `${tag}m:${model}:calls`,
    flying: `${tag}m:${model}:flying`,
    days: `${tag}m:${model}:days`,
    learnt: `${tag}m:${model}:learnt`,
    pause: `${tag}m:${model}:pause`,
    costLog: `${tag}costs:log`,
    costs: `${tag}costs`,
    allFlying: `${tag}flying`,
    allLearnt: `${tag}learnt`,
    pace: `${tag}m:${model}:pace`,
  };
}

function tenantKeys(tag: string) {
  return {
    job: (id: string) => `${tag}job:${id}`,
    jobs: `${tag}jobs`,
    status: (status: string) => `${tag}jobs:${status}`,
    wakes: `${tag}wakes`,
    leases: `${tag}leases`,
    tick: `${tag}tick`,
    tickGuard: `${tag}tick:guard`,
    deadlines: `${tag}deadlines`,
    retention: `${tag}retention`,
    events: `${tag}events`,
    archived: `${tag}events:archived`,
    alerts: `${tag}alerts`,
    totals: `${tag}totals`,
    handoffs: `${tag}handoffs`,
    ingests: `${tag}ingests`,
    fingerprint: (hash: string) => `${tag}fp:${hash}`,
    cache: (hash: string) => `${tag}cache:${hash}`,
    idempotency: (hash: string) => `${tag}idem:${hash}`,
    quote: (id: string) => `${tag}quote:${id}`,
    templates: `${tag}templates`,
    template: (name: string) => `${tag}template:${name}`,
    followers: (id: string) => `${tag}followers:${id}`,
    rowStatuses: `${tag}rows`,
    batch: (id: string) => `${tag}batch:${id}`,
    batchTotals: (id: string) => `${tag}batch:${id}:totals`,
    batchBits: (id: string, generation: number) => `${tag}batch:${id}:bits:${generation}`,
    batchHold: (id: string, work: string) => `${tag}batch:${id}:hold:${work}`,
    batches: `${tag}batches`,
    openBatches: `${tag}batches:open`,
    pausedBatches: `${tag}batches:paused`,
    pastBatches: `${tag}batches:past`,
    action: (id: string) => `${tag}action:${id}`,
    actionHold: (id: string) => `${tag}action:${id}:hold`,
    actions: `${tag}actions`,
    openActions: `${tag}actions:open`,
    pastActions: `${tag}actions:past`,
    actionIdempotency: (hash: string) => `${tag}action-idem:${hash}`,
    batchIdempotency: (hash: string) => `${tag}batch-idem:${hash}`,
    endpoint: (id: string) => `${tag}endpoint:${id}`,
    endpoints: `${tag}endpoints`,
    removedEndpoints: `${tag}endpoints:removed`,
    ownSecret: `${tag}webhook-secret`,
    fanOutCursor: `${tag}events:fan-out`,
    readyReceivers: `${tag}receivers`,
    receiverHealth: (id: string) => `${tag}receiver:${id}`,
    dueDeliveries: (receiver: string) => `${tag}receiver:${receiver}:due`,
    deliveries: (receiver: string) => `${tag}receiver:${receiver}:deliveries`,
    arrivedDeliveries: (receiver: string) => `${tag}receiver:${receiver}:arrived`,
    delivery: (id: string) => `${tag}delivery:${id}`,
  };
}
