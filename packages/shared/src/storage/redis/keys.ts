/** Names of all keys. Everything of a tenant shares one hash tag, so one script may touch it in a cluster too. */

import type { Tenant } from '../../domain/index.ts';

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
    apiKey: (id: string) => `${prefix}key:${id}`,
    of,
    pace: (channel: string, model: string) => `${prefix}{c:${channel}:${model}}:pace`,
    pause: (channel: string, model: string) => `${prefix}{c:${channel}:${model}}:pause`,
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
    totals: `${tag}totals`,
    handoffs: `${tag}handoffs`,
    fingerprint: (hash: string) => `${tag}fp:${hash}`,
    cache: (hash: string) => `${tag}cache:${hash}`,
    idempotency: (hash: string) => `${tag}idem:${hash}`,
    followers: (id: string) => `${tag}followers:${id}`,
  };
}
