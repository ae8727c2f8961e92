/** What is sent, and where to: made at the moment of sending, from what is known then. */

import { type Delivery, isOwnReceiver, type LoggedEvent, type ReceiverId, type Tenant } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { presentEvents } from '@darkroom/shared/usecases';
import { ownWebhookSecret } from '@darkroom/shared/webhooks';
import type { WebhookDeps } from './deps.ts';

/** How a receiver is spoken to now. */
export type Address = {
  /** Of an endpoint; deliveries to addresses that jobs name have their own. */
  url?: string;
  headers: Record<string, string>;
  /** The newest first. */
  secrets: string[];
};

/** @returns `undefined` when nothing is sent there: it was removed, or disabled */
export async function addressOf(deps: WebhookDeps, tenant: Tenant, receiver: ReceiverId): Promise<Address | undefined> {
  if (isOwnReceiver(receiver)) return { headers: {}, secrets: await ownSecrets(deps, tenant) };
  const endpoint = await deps.endpoints.read(tenant, receiver);
  if (!endpoint || endpoint.disabled) return undefined;
  const { url, headers, secrets } = endpoint;
  const now = deps.clock.now();
  const valid = secrets.filter(({ until }) => until === undefined || until > now);
  return { url, headers, secrets: valid.map(({ sealed }) => deps.seal.open(sealed, endpoint)) };
}

async function ownSecrets({ endpoints, ownKey, clock }: WebhookDeps, tenant: Tenant): Promise<string[]> {
  const { generation, previousUntil = 0 } = await endpoints.ownSecret(tenant);
  const generations = previousUntil > clock.now() ? [generation, generation - 1] : [generation];
  return generations.map((one) => ownWebhookSecret(ownKey, tenant, one));
}

/** Of each delivery: the body to send; `undefined` when its event is kept no longer, or cannot be shown. */
export async function bodiesOf(
  deps: WebhookDeps,
  tenant: Tenant,
  deliveries: Delivery[],
): Promise<(string | undefined)[]> {
  const events = await Promise.all(deliveries.map(({ event }) => deps.events.find(tenant, event)));
  const known = events.filter((event) => event !== undefined);
  const bodies = new Map<string, string>();
  try {
    for (const [id, body] of await present(deps, tenant, known)) bodies.set(id, body);
  } catch {
    // One of them that cannot be shown must not hold up the others.
    for (const event of known) {
      const [shown] = await present(deps, tenant, [event]).catch((error: unknown) => {
        deps.log.error({ tenant, about: event.id, ...describeError(error) }, 'webhook.not_shown');
        return [];
      });
      if (shown) bodies.set(...shown);
    }
  }
  return deliveries.map(({ event }) => bodies.get(event));
}

async function present(deps: WebhookDeps, tenant: Tenant, events: LoggedEvent[]): Promise<[string, string][]> {
  const views = await presentEvents(deps, tenant, events);
  return views.map(({ id, ...message }) => [id, JSON.stringify(message)]);
}
