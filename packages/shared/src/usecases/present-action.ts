import type { Action, EpochMs, JobFilter, ReplayOrder } from '../domain/index.ts';
import type { ActionView } from '../schemas/index.ts';

/** What a caller sees of an action. */
export function presentAction(action: Action): ActionView {
  const { id, order, status, createdAt, startedAt, completedAt, expected, counts, faults } = action;
  const self = `/v1/actions/${id}`;
  return {
    id,
    action: order.action,
    filter: order.action === 'replay' ? presentReplay(order) : presentFilter(order.filter),
    ...(order.action === 'reprioritise' && { priority: order.priority }),
    status,
    created_at: iso(createdAt),
    ...(startedAt !== undefined && { started_at: iso(startedAt) }),
    ...(completedAt !== undefined && { completed_at: iso(completedAt) }),
    expected: { count: expected.count, at_least: expected.atLeast },
    counts,
    errors: faults.map(({ job, code, detail }) => ({ job, code, message: detail })),
    urls: { self, abort: `${self}/abort` },
  };
}

function presentReplay({ endpoint, since, until, types, onlyMissing }: ReplayOrder): Record<string, unknown> {
  return { endpoint, since: iso(since), until: iso(until), ...(types && { types }), only_missing: onlyMissing };
}

function presentFilter({ createdAfter, createdBefore, metadata, ...same }: JobFilter): Record<string, unknown> {
  return {
    ...same,
    ...(createdAfter !== undefined && { created_after: iso(createdAfter) }),
    ...(createdBefore !== undefined && { created_before: iso(createdBefore) }),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
