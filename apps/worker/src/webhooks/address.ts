import type { KeyObject } from 'node:crypto';
import { isOwnReceiver, type ReceiverId, type Tenant } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { ownWebhookSecret, signingKey } from '@darkroom/shared/webhooks';
import type { WebhookDeps } from './deps.ts';

/** How a receiver is spoken to now. */
export type Address = {
  /** Of an endpoint; deliveries to addresses that jobs name have their own. */
  url?: string;
  headers: Record<string, string>;
  /** What signs, the newest first; none = nothing can be signed. */
  keys: KeyObject[];
};

/** @returns `undefined` when nothing is sent there: it was removed, or disabled */
export async function addressOf(deps: WebhookDeps, tenant: Tenant, receiver: ReceiverId): Promise<Address | undefined> {
  if (isOwnReceiver(receiver)) return { headers: {}, keys: await ownKeys(deps, tenant) };
  const endpoint = await deps.endpoints.read(tenant, receiver);
  if (!endpoint || endpoint.disabled) return undefined;
  const { url, headers, secrets } = endpoint;
  const now = deps.clock.now();
  try {
    const valid = secrets.filter(({ until }) => until === undefined || until > now);
    const open = (sealed: string) => deps.seal.open(sealed, endpoint);
    const sent = Object.entries(headers).map(([name, sealed]) => [name, open(sealed)] as const);
    return { url, headers: Object.fromEntries(sent), keys: valid.map(({ sealed }) => signingKey(open(sealed))) };
  } catch (error) {
    deps.log.error({ tenant, receiver, ...describeError(error) }, 'webhook.not_signed');
    return { url, headers: {}, keys: [] };
  }
}

async function ownKeys({ endpoints, ownKey, clock }: WebhookDeps, tenant: Tenant): Promise<KeyObject[]> {
  const now = clock.now();
  const generations = await endpoints.ownSecrets(tenant);
  const valid = generations.filter(({ until }) => until === undefined || until > now);
  return valid.map(({ generation }) => signingKey(ownWebhookSecret(ownKey, tenant, generation)));
}
