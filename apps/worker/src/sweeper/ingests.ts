/** What bodies of batches that broke off left in the object store. In a loop of its own: a store may be slow. */

import { describeError, type Log } from '@darkroom/shared/observability';
import type { Ledger } from '@darkroom/shared/ports';
import { type SweepIngestsDeps, sweepIngests } from '@darkroom/shared/usecases';
import { each } from './each.ts';

export type IngestSweepDeps = SweepIngestsDeps & { ledger: Ledger; log: Log };

/** One round over all tenants. @returns how many ingests were dealt with */
export async function sweepIngestsOnce(deps: IngestSweepDeps): Promise<number> {
  let swept = 0;
  const failed = await each(await deps.ledger.tenants(), 1, async (tenant) => {
    swept += await sweepIngests(deps, tenant);
  });
  for (const { item, error } of failed)
    deps.log.warn({ tenant: item, step: 'ingests', ...describeError(error) }, 'sweep.failed');
  return swept;
}
