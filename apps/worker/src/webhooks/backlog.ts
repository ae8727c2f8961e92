/**
 * How much may wait for a receiver, and what is done when more would.
 *
 * While a receiver that keeps up has enough to do, events wait in the log, where they cost least: a burst harms nobody. One
 * that does not keep up is not waited for, since others read the same log; when far too much waits for it, an endpoint is
 * disabled (and can be sent the rest by a replay), and what an address that jobs name would be sent is dead at once.
 */

import { buried, type Delivery, isOwnReceiver, LUCK_MAX, type ReceiverId, type Tenant } from '@darkroom/shared/domain';
import type { WebhookDeps } from './deps.ts';

const ENOUGH = 5_000;
const TOO_MUCH = 100_000;
/** Who has not begun on what was due so long ago does not keep up. */
const KEPT_UP_MS = 30_000;

export type Backlog = {
  /** Nothing is to be added now. */
  isHeld: boolean;
  /** Those for whom too much waits. */
  flooded: ReadonlySet<ReceiverId>;
};

/** How the receivers of these deliveries stand. */
export async function backlogOf(
  { endpoints, clock }: Pick<WebhookDeps, 'endpoints' | 'clock'>,
  tenant: Tenant,
  made: Delivery[],
): Promise<Backlog> {
  const receivers = [...new Set(made.map(({ receiver }) => receiver))];
  const health = await endpoints.health(tenant, receivers);
  const now = clock.now();
  const isHeld = health.some(
    ({ waiting, failures, dueAt = now }) => waiting > ENOUGH && failures <= LUCK_MAX && dueAt > now - KEPT_UP_MS,
  );
  return { isHeld, flooded: new Set(receivers.filter((_, i) => (health[i]?.waiting ?? 0) > TOO_MUCH)) };
}

/** What can be made of a delivery: one to an address that jobs name, and that is flooded, is never tried. */
export function unlessFlooded(delivery: Delivery, { flooded }: Backlog): Delivery {
  const { receiver, createdAt } = delivery;
  return isOwnReceiver(receiver) && flooded.has(receiver) ? buried(delivery, 'backlog', createdAt) : delivery;
}
