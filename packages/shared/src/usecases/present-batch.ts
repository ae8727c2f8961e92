/** The batch as its caller sees it. */

import {
  type Batch,
  type BatchTotals,
  doneOf,
  type EpochMs,
  formatMicros,
  isBatchOver,
  type Lane,
  shownCounts,
} from '../domain/index.ts';
import type { BatchView } from '../schemas/index.ts';
import { presentOwn } from './present-endpoint.ts';

export function presentBatch(batch: Batch, totals: BatchTotals, now: EpochMs): BatchView {
  const self = `/v1/batches/${batch.id}`;
  return {
    id: batch.id,
    ...(batch.name && { name: batch.name }),
    status: batch.status,
    ...(batch.pausedBy && { paused_by: batch.pausedBy }),
    created_at: iso(batch.createdAt),
    ...(batch.startedAt !== undefined && { started_at: iso(batch.startedAt) }),
    ...(batch.completedAt !== undefined && { completed_at: iso(batch.completedAt) }),
    deadline: iso(batch.expiresAt),
    ...pace(batch, totals, now),
    lanes: lanesOf(batch),
    provider_batches: totals.providerBatches,
    route: batch.route.reason,
    priority: batch.priority,
    counts: {
      total: batch.total,
      ...shownCounts(batch, totals),
      invalid: batch.invalid,
      loaded: batch.loaded,
    },
    cost: {
      currency: 'USD',
      estimated: formatMicros(batch.estimated),
      ...(batch.maxCost !== undefined && { max: formatMicros(batch.maxCost) }),
      actual: formatMicros(totals.costs.actual),
      in_doubt: formatMicros(totals.costs.inDoubt),
    },
    ...(batch.canary && { canary: batch.canary }),
    tags: batch.tags,
    metadata: batch.metadata,
    ...presentOwn(batch.webhook),
    urls: {
      self,
      items: `${self}/items`,
      events: `${self}/events`,
      manifest: `${self}/manifest.jsonl`,
      manifest_csv: `${self}/manifest.csv`,
      ...(batch.invalid > 0 && { errors: `${self}/errors.csv` }),
      archive: `${self}/archive.zip`,
    },
  };
}

function lanesOf({ route, canary }: Batch): Lane[] {
  return canary && route.lane === 'batch' ? ['standard', 'batch'] : [route.lane];
}

/** Jobs that ended per minute since it started, and when the rest would be done at that rate. */
function pace(batch: Batch, totals: BatchTotals, now: EpochMs): Pick<BatchView, 'rate' | 'eta'> {
  const done = doneOf(totals);
  const ms = Math.max(1, (batch.completedAt ?? now) - (batch.startedAt ?? batch.createdAt));
  if (done === 0) return {};
  const rate = Math.round((done * 60_000 * 100) / ms) / 100;
  if (isBatchOver(batch.status) || batch.status === 'paused') return { rate };
  return { rate, eta: iso(now + Math.round(((batch.total - done) * ms) / done)) };
}

function iso(at: EpochMs): string {
  return new Date(at).toISOString();
}
