/** The secret that signs what is sent to addresses that a tenant's jobs and batches name: derived, never stored. */

import type { EpochMs, Tenant } from '../domain/index.ts';
import type { Clock, Endpoints } from '../ports/index.ts';
import type { OwnSecretView } from '../schemas/index.ts';

export type OwnSecretDeps = {
  endpoints: Endpoints;
  clock: Clock;
  /** The tenant's secret of a generation. */
  ownSecret: (tenant: Tenant, generation: number) => string;
};

/** As it is now. */
export async function readOwnSecret(deps: OwnSecretDeps, tenant: Tenant): Promise<OwnSecretView> {
  return view(deps, tenant, await deps.endpoints.ownSecret(tenant));
}

/** Another one; the one before signs along for so long, and none that was before that. */
export async function rotateOwnSecret(deps: OwnSecretDeps, tenant: Tenant, overlapMs: number): Promise<OwnSecretView> {
  return view(deps, tenant, await deps.endpoints.rotateOwnSecret(tenant, deps.clock.now() + overlapMs));
}

function view(
  { ownSecret, clock }: OwnSecretDeps,
  tenant: Tenant,
  { generation, previousUntil }: { generation: number; previousUntil?: EpochMs },
): OwnSecretView {
  const lasts = previousUntil !== undefined && previousUntil > clock.now();
  return {
    secret: ownSecret(tenant, generation),
    ...(lasts && { old_secret_until: new Date(previousUntil).toISOString() }),
  };
}
