import { type DisabledReason, type EndpointId, openGap, type Tenant } from '@darkroom/shared/domain';
import { readUntil } from '@darkroom/shared/usecases';
import type { WebhookDeps } from './deps.ts';

/** Others may change it meanwhile; then it is looked at again, so often. */
const TRIES = 5;

/**
 * Disables an endpoint, and tells of it. What waits for it stays, and goes on once it is enabled again.
 *
 * A crash before it leaves an endpoint that gives the same reason at the next try.
 */
export async function disableEndpoint(
  { endpoints, deliveries, clock, log }: Pick<WebhookDeps, 'endpoints' | 'deliveries' | 'clock' | 'log'>,
  tenant: Tenant,
  id: EndpointId,
  reason: DisabledReason,
): Promise<void> {
  for (let n = 0; n < TRIES; n++) {
    const endpoint = await endpoints.read(tenant, id);
    if (!endpoint || endpoint.disabled) return;
    const at = clock.now();
    const readTo = await readUntil(deliveries, tenant);
    const { version, gaps } = endpoint;
    const disabled = { ...endpoint, version: version + 1, disabled: { reason, at }, gaps: openGap(gaps, at, readTo) };
    if (await endpoints.write(disabled, 'webhook_endpoint.disabled')) {
      log.warn({ tenant, endpoint: id, reason }, 'webhook.disabled');
      return;
    }
  }
}
