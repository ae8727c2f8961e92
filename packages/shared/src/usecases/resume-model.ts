import { MODELS, type Tenant, unpark } from '../domain/index.ts';
import type { Clock, Ledger, Quota } from '../ports/index.ts';
import type { LimitView, ResumedModel } from '../schemas/index.ts';
import type { Outbox } from './outbox.ts';
import { updateJob } from './update-job.ts';

/** The one way to reach a model, as yet. */
const CHANNEL = 'gemini';
/**
 * Jobs of one tenant that are looked at. Only those wait on their own that met the limit themselves, at most as many as
 * calls were in flight; the rest is kept back by the pause alone.
 */
const LOOK_MAX = 2_000;

/** All models that are paused, and until when. */
export async function pausedModels({ quota, clock }: { quota: Quota; clock: Clock }): Promise<LimitView[]> {
  const pauses = await Promise.all(MODELS.map(async ({ id }) => ({ id, pause: await quota.paused(CHANNEL, id) })));
  const now = clock.now();
  return pauses.flatMap(({ id, pause }) =>
    pause ? [{ channel: CHANNEL, model: id, reason: pause.reason, until: new Date(now + pause.ms).toISOString() }] : [],
  );
}

/**
 * Lifts a model's pause before its end, for an operator who knows that the limit is gone. Should it not be, the next
 * call's answer pauses the model again. Safe to repeat; a crash in between leaves jobs that another call wakes.
 */
export async function resumeModel(
  deps: { ledger: Ledger; quota: Quota; outbox: Outbox; clock: Clock },
  model: string,
): Promise<ResumedModel> {
  const resumed = await deps.quota.resume(CHANNEL, model);
  let woken = 0;
  for (const tenant of await deps.ledger.tenants()) woken += await wakeParked(deps, tenant, model);
  return { model, resumed, woken };
}

async function wakeParked(
  { ledger, outbox, clock }: Parameters<typeof resumeModel>[0],
  tenant: Tenant,
  model: string,
): Promise<number> {
  let woken = 0;
  for (const { id } of await ledger.latestWakes(tenant, clock.now(), LOOK_MAX)) {
    const updated = await updateJob(ledger, tenant, id, (job) =>
      job.request.model === model ? unpark(job, clock.now()) : undefined,
    );
    if (!updated?.changed) continue;
    outbox.push(updated.job);
    woken++;
  }
  return woken;
}
