/** Events as their receivers see them: short enough for any of them, and without the prompt. */

import { AppError, type LoggedEvent, type Tenant } from '../domain/index.ts';
import type { Batches, Endpoints, Ledger } from '../ports/index.ts';
import type { BatchEventData, EndpointEventData, EventView, JobEventData } from '../schemas/index.ts';
import { getBatch } from './get-batch.ts';
import { findJob } from './get-job.ts';
import { ifReadable } from './if-readable.ts';
import { presentAlert } from './present-alert.ts';
import { presentBatch } from './present-batch.ts';
import { endpointPath, presentEndpoint } from './present-endpoint.ts';
import { type PresentDeps, presentJob } from './present-job.ts';
import { shortBatch, shortJob } from './short-event.ts';

export type PresentEventDeps = PresentDeps & { ledger: Ledger; batches: Batches; endpoints: Endpoints };

/** Links in an event stay good for a day, since its receiver may put it in a queue; less what clocks may differ by. */
const EVENT_LINK_MS = 24 * 60 * 60_000 - 5 * 60_000;
/** Records read side by side. */
const WIDTH = 16;

/**
 * Each event with the job, batch or endpoint it is about as that is now; of one that is kept no longer, id and link are
 * left. An alert is shown as it was.
 *
 * Links to images are signed anew each time, for a day. Several events of one record cost one look at it.
 */
export async function presentEvents(
  deps: PresentEventDeps,
  tenant: Tenant,
  events: LoggedEvent[],
): Promise<EventView[]> {
  const data = new Map<string, EventView['data']>();
  const subjects = new Map(events.filter((event) => !event.data).map((event) => [subjectOf(event), event]));
  const rest = subjects.entries();
  const run = async () => {
    for (const [id, event] of rest) data.set(id, await dataOf(deps, tenant, event));
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, subjects.size) }, run));
  return events.map((event) => {
    const { id, type, at, data: note } = event;
    const about = note ? presentAlert(type, note) : data.get(subjectOf(event));
    return { id, type, timestamp: new Date(at).toISOString(), data: about } as EventView;
  });
}

function subjectOf({ job, batch, endpoint = '' }: LoggedEvent): string {
  return job ?? batch ?? endpoint;
}

function dataOf(deps: PresentEventDeps, tenant: Tenant, event: LoggedEvent): Promise<EventView['data']> {
  if (event.job !== undefined) return jobData(deps, tenant, event, event.job);
  if (event.batch !== undefined) return batchData(deps, tenant, event.batch);
  return endpointData(deps, tenant, event.endpoint ?? '');
}

async function jobData(deps: PresentEventDeps, tenant: Tenant, event: LoggedEvent, id: string): Promise<JobEventData> {
  const job = await ifReadable(findJob(deps, tenant, id));
  if (!job) {
    const { batch, tags } = event;
    return { id, ...(batch && { batch }), tags, urls: { self: `/v1/jobs/${encodeURIComponent(id)}` } };
  }
  return shortJob(await presentJob({ ...deps, linkMs: EVENT_LINK_MS }, job));
}

async function batchData(deps: PresentEventDeps, tenant: Tenant, id: string): Promise<BatchEventData> {
  try {
    const { batch, totals } = await getBatch(deps, tenant, id);
    return shortBatch(presentBatch(batch, totals, deps.clock.now()));
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error;
    return { id, urls: { self: `/v1/batches/${id}` } };
  }
}

async function endpointData(
  { endpoints, clock }: PresentEventDeps,
  tenant: Tenant,
  id: string,
): Promise<EndpointEventData> {
  const [endpoint, [health]] = await Promise.all([endpoints.read(tenant, id), endpoints.health(tenant, [id])]);
  if (!endpoint || !health) return { id, urls: { self: endpointPath(id) } };
  const { url, description, enabled, disabled_reason, disabled_at, ...view } = presentEndpoint(
    endpoint,
    health,
    clock.now(),
  );
  return {
    id,
    url,
    ...(description && { description }),
    enabled,
    ...(disabled_reason && { disabled_reason }),
    ...(disabled_at && { disabled_at }),
    health: view.health,
    urls: view.urls,
  };
}
