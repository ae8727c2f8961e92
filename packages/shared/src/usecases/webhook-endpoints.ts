/** Endpoints of webhooks: made, read, changed and removed by their tenant. */

import {
  AppError,
  type Endpoint,
  type EndpointId,
  type EpochMs,
  newEndpoint,
  patchEndpoint,
  rotateSecret,
  shortDigest,
  type Tenant,
  timeOfEvent,
  timeOfId,
} from '../domain/index.ts';
import type { Clock, Deliveries, Endpoints, Ledger } from '../ports/index.ts';
import { type CreateEndpointBody, ENDPOINT_ID, HEADERS_MAX, type UpdateEndpointBody } from '../schemas/index.ts';
import { newWebhookSecret, type SecretOwner, type SecretSeal } from '../webhooks/index.ts';
import { checkWebhookUrl, type UrlCheck } from './check-webhook.ts';

export type EndpointDeps = {
  endpoints: Endpoints;
  deliveries: Pick<Deliveries, 'cursor'>;
  clock: Clock;
  checkUrl: UrlCheck;
  secrets: SecretSeal;
};
export type CreateEndpointDeps = EndpointDeps & {
  /** Remembers which endpoint was made under which key. */
  ledger: Pick<Ledger, 'recall' | 'remember'>;
  newEndpointId: () => EndpointId;
};

/** An endpoint, and what is shown of its secret this once. */
export type Revealed = { endpoint: Endpoint; secret: string };

/** Somebody else may change it in between this often. */
const TRIES_MAX = 5;
/** What was begun under a key longer ago, and is not there, was removed since. */
const UNFINISHED_MS = 60_000;

/**
 * Makes an endpoint, once per key: asked again under it, this answers with the same one and its secret.
 *
 * The key is noted first: a crash between the two leaves a key without an endpoint, which whoever asks again makes.
 *
 * @throws AppError `invalid_request`, `idempotency_key_reused`, or `conflict` when there are as many as there may be
 */
export async function createEndpoint(
  deps: CreateEndpointDeps,
  asked: { tenant: Tenant; body: CreateEndpointBody; idempotencyKey?: string },
): Promise<Revealed & { replayed: boolean }> {
  const { tenant, body, idempotencyKey } = asked;
  const bodyHash = shortDigest({ endpoint: body });
  const seen = idempotencyKey === undefined ? undefined : await recalled(deps, tenant, idempotencyKey, bodyHash);
  const before = seen && (await deps.endpoints.read(tenant, seen));
  if (before) return { ...reveal(deps, before), replayed: true };
  if (seen && timeOfId(seen) < deps.clock.now() - UNFINISHED_MS) throw goneSince();
  await checkWebhookUrl(deps.checkUrl, body.url, 'url');
  const id = seen ?? (await named(deps, { tenant, idempotencyKey, bodyHash }));
  const owner = { tenant, id };
  const secret = deps.secrets.seal(newWebhookSecret(), owner);
  const headers = sealHeaders(deps.secrets, body.headers, owner);
  const made = await deps.endpoints.create(newEndpoint({ ...owner, ...body, headers, secret }, deps.clock.now()));
  if (made === 'full') throw tooMany();
  // As it is now: somebody with the same key may have been first.
  return { ...reveal(deps, await findEndpoint(deps.endpoints, tenant, id)), replayed: false };
}

function sealHeaders<V extends string | null>(
  secrets: SecretSeal,
  headers: Record<string, V>,
  owner: SecretOwner,
): Record<string, V | string> {
  const entries = Object.entries(headers);
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === null ? value : secrets.seal(value, owner)]),
  );
}

/** A new id; under a key the one that was noted first. */
async function named(
  deps: CreateEndpointDeps,
  { tenant, idempotencyKey, bodyHash }: { tenant: Tenant; idempotencyKey: string | undefined; bodyHash: string },
): Promise<EndpointId> {
  const id = deps.newEndpointId();
  if (idempotencyKey === undefined) return id;
  await deps.ledger.remember(tenant, idempotencyKey, { id, bodyHash });
  return (await recalled(deps, tenant, idempotencyKey, bodyHash)) ?? id;
}

async function recalled(
  { ledger }: CreateEndpointDeps,
  tenant: Tenant,
  key: string,
  bodyHash: string,
): Promise<EndpointId | undefined> {
  const use = await ledger.recall(tenant, key);
  if (!use || use.bodyHash === bodyHash) return use?.id;
  throw new AppError('idempotency_key_reused', {
    message: 'This Idempotency-Key was used before with another body.',
    param: 'Idempotency-Key',
    fix: 'Send the first body again, or choose a new key.',
  });
}

function reveal({ secrets }: EndpointDeps, endpoint: Endpoint): Revealed {
  return { endpoint, secret: secrets.open(endpoint.secrets[0].sealed, endpoint) };
}

/** @throws AppError `not_found`, word for word the same for what is somebody else's */
export async function findEndpoint(endpoints: Endpoints, tenant: Tenant, id: string): Promise<Endpoint> {
  const endpoint = ENDPOINT_ID.test(id) ? await endpoints.read(tenant, id) : undefined;
  if (endpoint) return endpoint;
  throw noSuchEndpoint();
}

/** How far a tenant's log has been read for deliveries: what happened later reaches an endpoint as it is by then. */
export async function readUntil(deliveries: Pick<Deliveries, 'cursor'>, tenant: Tenant): Promise<EpochMs> {
  const cursor = await deliveries.cursor(tenant);
  return cursor === undefined ? 0 : timeOfEvent(cursor);
}

/** @throws AppError `not_found`, `invalid_request`, or (retryable) `conflict` */
export async function updateEndpoint(
  deps: EndpointDeps,
  tenant: Tenant,
  id: string,
  patch: UpdateEndpointBody,
): Promise<Endpoint> {
  await findEndpoint(deps.endpoints, tenant, id);
  if (patch.url !== undefined) await checkWebhookUrl(deps.checkUrl, patch.url, 'url');
  const readTo = await readUntil(deps.deliveries, tenant);
  return rewrite(deps, tenant, id, (endpoint, now) => {
    const headers = patch.headers && sealHeaders(deps.secrets, patch.headers, endpoint);
    const patched = patchEndpoint(endpoint, { ...patch, headers }, now, readTo);
    if (Object.keys(patched.headers).length > HEADERS_MAX) throw tooManyHeaders();
    return patched;
  });
}

/** @returns the endpoint, and its new secret. @throws AppError `not_found`, or `conflict` when too many secrets sign already */
export async function rotateEndpointSecret(
  deps: EndpointDeps,
  tenant: Tenant,
  id: string,
  overlapMs: number,
): Promise<Revealed> {
  const secret = newWebhookSecret();
  const endpoint = await rewrite(deps, tenant, id, (before, now) => {
    const rotated = rotateSecret(before, deps.secrets.seal(secret, before), { overlapMs, now });
    if (!rotated) throw tooManySecrets();
    return rotated;
  });
  return { endpoint, secret };
}

/** Its waiting deliveries are dropped. @throws AppError `not_found` */
export async function removeEndpoint({ endpoints }: EndpointDeps, tenant: Tenant, id: string): Promise<void> {
  await findEndpoint(endpoints, tenant, id);
  await endpoints.remove(tenant, id);
}

/** Decides on the record as it is until nobody comes in between. */
async function rewrite(
  { endpoints, clock }: EndpointDeps,
  tenant: Tenant,
  id: string,
  decide: (endpoint: Endpoint, now: EpochMs) => Endpoint,
): Promise<Endpoint> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const next = decide(await findEndpoint(endpoints, tenant, id), clock.now());
    if (await endpoints.write(next)) return next;
  }
  throw new AppError('conflict', {
    message: 'The endpoint is being changed by others just now.',
    retryable: true,
    retryAfterMs: 1_000,
  });
}

/** @throws AppError `conflict` for an endpoint to which nothing is sent */
export function assertEnabled({ disabled }: Endpoint): void {
  if (!disabled) return;
  throw new AppError('conflict', {
    message: 'The endpoint is disabled, so nothing would be sent to it.',
    param: 'id',
    fix: 'Enable it first: PATCH it with {"enabled":true}.',
  });
}

function noSuchEndpoint(): AppError {
  return new AppError('not_found', {
    message: 'There is no such endpoint.',
    param: 'id',
    fix: 'The id of an endpoint begins with whe_: GET /v1/webhook-endpoints lists them.',
  });
}

function goneSince(): AppError {
  return new AppError('conflict', {
    message: 'The endpoint that was made under this Idempotency-Key was deleted.',
    param: 'Idempotency-Key',
    fix: 'Choose a new key to make another.',
  });
}

function tooMany(): AppError {
  return new AppError('conflict', {
    message: 'There are as many endpoints as there may be.',
    fix: 'Delete one that nobody needs: GET /v1/webhook-endpoints lists them.',
  });
}

/** Of an endpoint, or of what jobs name themselves. */
export function tooManySecrets(): AppError {
  return new AppError('conflict', {
    message: 'Five secrets sign already, which is as many as may.',
    param: 'overlap',
    fix: 'Wait until old_secrets_until of one is over, or end them all now with {"overlap":"0s"}.',
  });
}

function tooManyHeaders(): AppError {
  const message = `headers must have at most ${HEADERS_MAX} headers, those of before included`;
  return new AppError('invalid_request', {
    message: `${message}.`,
    param: 'headers',
    fix: 'Take one away by setting it to null.',
    errors: [{ path: 'headers', message }],
  });
}
