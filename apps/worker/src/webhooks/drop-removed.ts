import { describeError } from '@darkroom/shared/observability';
import { each } from '../sweeper/each.ts';
import type { WebhookDeps } from './deps.ts';

/** Tenants looked at side by side. */
const WIDTH = 4;

/** Drops what endpoints that were removed have left, until nothing of it is there or the signal. */
export async function dropRemovedOnce(
  { ledger, deliveries, log }: Pick<WebhookDeps, 'ledger' | 'deliveries' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const failed = await each(await ledger.tenants(), WIDTH, async (tenant) => {
    while (!signal.aborted && (await deliveries.dropRemoved(tenant)));
  });
  for (const { item, error } of failed) log.warn({ tenant: item, ...describeError(error) }, 'webhook.not_dropped');
}
