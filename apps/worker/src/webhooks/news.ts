import type { Tenant } from '@darkroom/shared/domain';
import type { Changes } from '@darkroom/shared/ports';
import { type Bell, createBell } from './bell.ts';

/** Which tenants something has happened to. */
export type News = Pick<Bell, 'wait'> & {
  /** Those whose logs are to be read now; all of them from time to time, as news may be lost. */
  take(tenants: Tenant[]): Tenant[];
  add(tenant: Tenant): void;
  isPending(): boolean;
  stop(): void;
};

/** Between two looks at all logs, and for each tenant at least: with very many, looking costs more than news that are late. */
const LOOK_AT_ALL_MS = 500;
const LOOK_MS_EACH = 2;

/** @param now any clock that goes steadily, in milliseconds */
export function createNews(changes: Changes, now: () => number): News {
  const watched = new Map<Tenant, () => void>();
  const told = new Set<Tenant>();
  const bell = createBell();
  let lookedAt = Number.NEGATIVE_INFINITY;
  const add = (tenant: Tenant) => {
    told.add(tenant);
    bell.ring();
  };
  return {
    add,
    wait: (ms, signal) => bell.wait(ms, signal),
    isPending: () => told.size > 0,
    take: (tenants) => {
      const isTimeForAll = now() - lookedAt >= Math.max(LOOK_AT_ALL_MS, LOOK_MS_EACH * tenants.length);
      if (isTimeForAll) lookedAt = now();
      for (const tenant of tenants) {
        if (isTimeForAll || !watched.has(tenant)) told.add(tenant);
        if (!watched.has(tenant))
          watched.set(
            tenant,
            changes.watchAll(tenant, () => add(tenant)),
          );
      }
      const all = [...told];
      told.clear();
      return all;
    },
    stop: () => {
      for (const unwatch of watched.values()) unwatch();
      watched.clear();
    },
  };
}
