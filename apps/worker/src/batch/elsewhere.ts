/** A chunk that its account does not take goes back to its jobs, and they go with another account, or by themselves. */

import {
  type ErrorCode,
  eligible,
  givenBack,
  type Job,
  modelOf,
  type ProviderBatch,
  type Verdict,
} from '@darkroom/shared/domain';
import { ifReadable } from '@darkroom/shared/usecases';
import { mayGoElsewhere } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { idsOf } from './ids-of.ts';

/** What later tries hardly mend is not tried sooner, in ms. */
const FINAL_MS = 3_600_000;
/** Members asked whether another account could take them: they are much alike. */
const LOOKS = 50;

type Rejected = Extract<Verdict, { type: 'rejected' }>;

/** A refusal of one chunk says that its account takes no others of the model either, unless the chunk itself was at fault. */
export async function parkAccount(
  { batches, clock }: BatchDeps,
  refused: ProviderBatch,
  verdict: Rejected,
): Promise<void> {
  if (refused.state === 'sealed') await batches.park(refused, refused.refusedUntil ?? refused.dueAt);
  else if (refused.end?.code && isOfAccount(verdict.code)) await batches.park(refused, clock.now() + FINAL_MS);
}

/** Whether another account need not refuse the same. */
export function isOfAccount(code: ErrorCode): boolean {
  return code !== 'upstream_rejected';
}

/** @returns whether the chunk went: only one that nothing was made of can, and only when some account takes its jobs now */
export async function goElsewhere(deps: BatchDeps, batch: ProviderBatch, why: string): Promise<boolean> {
  if (batch.state !== 'sealed' || deps.accounts.size < 2) return false;
  const members = (await deps.batches.members(batch.id)).slice(0, LOOKS);
  const read = await Promise.all(members.map(({ tenant, job }) => ifReadable(deps.ledger.read(tenant, job))));
  const jobs = read.filter((job) => job !== undefined);
  return (await mayGoElsewhere(deps, batch, jobs)) && giveBack(deps, batch, why);
}

/** Ends a chunk that nothing was made of; whoever collects it gives its jobs back. */
export async function giveBack(
  { batches, clock, log }: BatchDeps,
  batch: ProviderBatch,
  why: string,
): Promise<boolean> {
  const given = givenBack(batch, why, clock.now());
  if (!given || !(await batches.write(given))) return false;
  log.error({ ...idsOf(batch), size: batch.size, why }, 'chunk.given_back');
  return true;
}

/** Whether some channel could make it by itself. */
export function hasStandardLane({ specs }: Pick<BatchDeps, 'specs'>, job: Job): boolean {
  return eligible(job.request, { model: modelOf(job), lane: 'standard' }, specs).channels.length > 0;
}
