/** The span of one try of a delivery: in the trace of what the event is about. */

import { type Delivery, type DeliveryOutcome, isDelivered } from '@darkroom/shared/domain';
import { failSpan, isTracing, type Origin, tellSpan, withSpan } from '@darkroom/shared/observability';
import { createOriginOf, findJob } from '@darkroom/shared/usecases';
import type { WebhookDeps } from './deps.ts';

/** Runs `post`, which makes the request to `url`; of that the span says the host alone, since the rest is the receiver's secret. */
export async function inDeliverySpan(
  deps: WebhookDeps,
  delivery: Delivery,
  url: string,
  post: () => Promise<DeliveryOutcome>,
): Promise<DeliveryOutcome> {
  if (!isTracing()) return post();
  const { id, tenant, event, type, receiver, tries } = delivery;
  const from = await originOf(deps, delivery).catch(() => undefined);
  const facts = {
    'darkroom.tenant': tenant,
    'darkroom.delivery.id': id,
    'darkroom.delivery.try': tries + 1,
    'darkroom.event.id': event,
    'darkroom.event.type': type,
    'darkroom.receiver': receiver,
    'server.address': URL.canParse(url) ? new URL(url).hostname : undefined,
  };
  return withSpan('webhook.deliver', { kind: 'client', from, facts }, async () => {
    const outcome = await post();
    const http = outcome.type === 'answered' ? outcome.http : undefined;
    tellSpan({ 'darkroom.outcome': outcome.type, 'http.response.status_code': http });
    if (!isDelivered(outcome)) failSpan(http === undefined ? outcome.type : String(http));
    return outcome;
  });
}

/** Of a job's event the job's; of a batch's, a trace of its own that is linked to the batch's submission. */
async function originOf(deps: WebhookDeps, { tenant, event: id }: Delivery): Promise<Origin | undefined> {
  const event = await deps.events.find(tenant, id);
  if (event?.job !== undefined) {
    const job = await findJob(deps, tenant, event.job);
    return job && createOriginOf(deps)(job);
  }
  const batch = event?.batch === undefined ? undefined : await deps.batches.read(tenant, event.batch);
  return batch?.trace === undefined ? undefined : { links: [batch.trace] };
}
