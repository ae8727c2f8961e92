import { follow, inherit, isTerminal, type JobId, type Tenant } from '../domain/index.ts';
import type { Clock, Ledger } from '../ports/index.ts';
import type { Outbox } from './outbox.ts';
import { updateJob } from './update-job.ts';

const STEP = 200;

/**
 * Gives a finished leader's end to the twins that waited for it.
 *
 * With an image, a refusal or a failure they end as it did. A leader that was canceled or expired leaves an heir: the
 * first open follower is sent on its own and the others wait for that one. Every step may be repeated; a crash leaves
 * the hand-off on the ledger's list.
 */
export async function handOff(
  deps: { ledger: Ledger; clock: Clock; outbox: Outbox },
  tenant: Tenant,
  leaderId: JobId,
): Promise<void> {
  const { ledger, clock, outbox } = deps;
  const leader = await ledger.read(tenant, leaderId);
  let heir: JobId | undefined;
  for (;;) {
    const ids = await ledger.followers(tenant, leaderId, STEP);
    if (!ids.length) break;
    for (const id of ids) {
      // Its end may still come: a call of the leader is out.
      if (leader && !isTerminal(leader.state.status)) return;
      const ended = leader && (await updateJob(ledger, tenant, id, (job) => follow(job, leader, clock.now())));
      const open = ended ? !isTerminal(ended.job.state.status) : await isOpen(ledger, tenant, id);
      if (open) {
        const moved = await updateJob(ledger, tenant, id, (job) => inherit(job, heir, clock.now()));
        if (moved?.changed && !heir) {
          heir = id;
          outbox.push(moved.job);
        }
      }
      await ledger.unfollow(tenant, leaderId, id, open ? heir : undefined);
    }
  }
  await ledger.handedOff(tenant, leaderId);
}

async function isOpen(ledger: Ledger, tenant: Tenant, id: JobId): Promise<boolean> {
  const job = await ledger.read(tenant, id);
  return job !== undefined && !isTerminal(job.state.status);
}
