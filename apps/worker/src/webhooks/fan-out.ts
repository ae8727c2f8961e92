/**
 * From the log of events to deliveries.
 *
 * The log is the outbox: an event is in it as soon as what it tells of is so. A step reads on from the cursor, and makes the
 * deliveries and moves the cursor in one script: a crash before it leaves the step to be taken again, one after it nothing.
 * Of several workers that take the same step, one succeeds.
 */

import { AppError, isOwnReceiver, type LoggedEvent, type OwnWebhook, type Tenant } from '@darkroom/shared/domain';
import { findJob, getBatch, ifReadable } from '@darkroom/shared/usecases';
import { each } from '../sweeper/each.ts';
import { deliveriesOf } from './addressees.ts';
import { backlogOf, unlessFlooded } from './backlog.ts';
import type { WebhookDeps } from './deps.ts';
import { disableEndpoint } from './disable.ts';

/** Events of one step, and records read for them side by side. */
const PAGE = 200;
const WIDTH = 16;

/** Takes one step. @returns whether there may be more to take now */
export async function fanOut(deps: WebhookDeps, tenant: Tenant): Promise<boolean> {
  const { deliveries, endpoints, clock } = deps;
  const from = await deliveries.cursor(tenant);
  const events = await deps.events.read(tenant, { after: from, limit: PAGE });
  const to = events.at(-1)?.id;
  if (to === undefined) return false;
  const [listed, own] = await Promise.all([endpoints.list(tenant), ownWebhooks(deps, tenant, events)]);
  const now = clock.now();
  const made = events.flatMap((event, i) => deliveriesOf(tenant, event, { endpoints: listed, own: own[i] }, now));
  const backlog = await backlogOf(deps, tenant, made);
  if (backlog.isHeld) return false;
  const step = { from, to, deliveries: made.map((one) => unlessFlooded(one, backlog)), now };
  const done = await deliveries.fanOut(tenant, step);
  for (const receiver of backlog.flooded) {
    if (!isOwnReceiver(receiver)) await disableEndpoint(deps, tenant, receiver, 'backlog');
  }
  return !done || events.length === PAGE;
}

/** Of each event: what the job or batch that it is about names itself. Each record is read once. */
async function ownWebhooks(
  deps: WebhookDeps,
  tenant: Tenant,
  events: LoggedEvent[],
): Promise<(OwnWebhook | undefined)[]> {
  const subjects = new Map(events.map((event) => [subjectOf(event), event]));
  const found = new Map<string, OwnWebhook | undefined>();
  const failed = await each([...subjects], WIDTH, async ([subject, event]) => {
    found.set(subject, await ownWebhook(deps, tenant, event));
  });
  // Nothing is left out for a store that does not answer: the step is taken again.
  if (failed[0]) throw failed[0].error;
  return events.map((event) => found.get(subjectOf(event)));
}

/** Whose webhook it may be for; a caller may name a job as a batch is named. */
function subjectOf({ job, batch, hooked }: LoggedEvent): string {
  return hooked ? `job ${job}` : `batch ${batch}`;
}

/** @returns `undefined` also when the record is kept no longer, or cannot be read */
async function ownWebhook(
  deps: WebhookDeps,
  tenant: Tenant,
  { job, batch, hooked }: LoggedEvent,
): Promise<OwnWebhook | undefined> {
  if (hooked && job !== undefined) return (await ifReadable(findJob(deps, tenant, job)))?.request.webhook;
  if (batch === undefined) return undefined;
  try {
    return (await getBatch(deps, tenant, batch)).batch.webhook;
  } catch (error) {
    if (error instanceof AppError && error.code === 'not_found') return undefined;
    throw error;
  }
}
