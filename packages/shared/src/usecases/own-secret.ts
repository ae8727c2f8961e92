/** The secret that signs what is sent to addresses that a tenant's jobs and batches name: derived, never stored. */

import { AppError, type OwnGenerations, rotateOwn, type Tenant } from '../domain/index.ts';
import type { Clock, Endpoints } from '../ports/index.ts';
import type { OwnSecretView } from '../schemas/index.ts';
import { tooManySecrets } from './webhook-endpoints.ts';

export type OwnSecretDeps = {
  endpoints: Endpoints;
  clock: Clock;
  /** The tenant's secret of a generation. */
  ownSecret: (tenant: Tenant, generation: number) => string;
};

/** Others may rotate it in between this often. */
const TRIES_MAX = 5;

/** As it is now. */
export async function readOwnSecret(deps: OwnSecretDeps, tenant: Tenant): Promise<OwnSecretView> {
  return view(deps, tenant, await deps.endpoints.ownSecrets(tenant));
}

/**
 * Another one; those before sign along for so long, or as long as they were to.
 *
 * @throws AppError `conflict` when too many sign already, or (retryable) while others rotate it as well
 */
export async function rotateOwnSecret(deps: OwnSecretDeps, tenant: Tenant, overlapMs: number): Promise<OwnSecretView> {
  for (let n = 0; n < TRIES_MAX; n++) {
    const next = rotateOwn(await deps.endpoints.ownSecrets(tenant), { overlapMs, now: deps.clock.now() });
    if (!next) throw tooManySecrets();
    if (await deps.endpoints.writeOwnSecrets(tenant, next)) return view(deps, tenant, next);
  }
  throw new AppError('conflict', {
    message: 'The secret is being rotated by others just now.',
    retryable: true,
    retryAfterMs: 1_000,
  });
}

function view({ ownSecret, clock }: OwnSecretDeps, tenant: Tenant, [newest, ...old]: OwnGenerations): OwnSecretView {
  const now = clock.now();
  const untils = old.flatMap(({ until = 0 }) => (until > now ? [new Date(until).toISOString()] : []));
  return {
    secret: ownSecret(tenant, newest.generation),
    ...(untils.length && { old_secrets_until: untils }),
  };
}
