import type { KeyObject } from 'node:crypto';
import { type Endpoint, isOwnReceiver, type ReceiverId, type Tenant } from '@darkroom/shared/domain';
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
  const valid = secrets.filter(({ until }) => until === undefined || until > now);
  const keys = valid.flatMap(({ sealed }) => open(deps, endpoint, 'a secret', sealed)).map(signingKey);
  if (!keys.length) deps.log.error({ tenant, receiver }, 'webhook.not_signed');
  const sent = Object.entries(headers).flatMap(([name, sealed]) =>
    open(deps, endpoint, name, sealed).map((value) => [name, value] as const),
  );
  return { url, headers: Object.fromEntries(sent), keys };
}

/** One that was sealed under another DARKROOM_SECRET, or is damaged, must not keep the others from being used. */
function open({ seal, log }: WebhookDeps, endpoint: Endpoint, part: string, sealed: string): [string] | [] {
  try {
    return [seal.open(sealed, endpoint)];
  } catch (error) {
    log.warn({ tenant: endpoint.tenant, receiver: endpoint.id, part, ...describeError(error) }, 'webhook.not_opened');
    return [];
  }
}

async function ownKeys({ endpoints, ownKey, clock }: WebhookDeps, tenant: Tenant): Promise<KeyObject[]> {
  const now = clock.now();
  const generations = await endpoints.ownSecrets(tenant);
  const valid = generations.filter(({ until }) => until === undefined || until > now);
  return valid.map(({ generation }) => signingKey(ownWebhookSecret(ownKey, tenant, generation)));
}
