import { AppError, follow, inherit, isTerminal, type Job, type JobId, type Tenant } from '../domain/index.ts';
import type { Clock, Ledger } from '../ports/index.ts';
import type { Outbox } from './outbox.ts';
import { updateJob } from './update-job.ts';

/** Followers served in one step: few enough for a request that somebody waits for. */
const STEP = 200;

type HandOffDeps = { ledger: Ledger; clock: Clock; outbox: Outbox };
type Ended = { tenant: Tenant; id: JobId; record: Job | undefined };

/**
 * Gives a finished leader's end to the twins that waited for it.
 *
 * With an image, a refusal or a failure they end as it did. A leader that was canceled, expired or is held leaves an heir: the
 * twin that has its fingerprint by now, else the first open follower, is sent on its own and the others wait for that
 * one. Every step may be repeated; a crash leaves the hand-off on the ledger's list, and the heir is found again by
 * what it holds.
 *
 * @returns whether followers are left: this was one bounded step, and the list keeps the rest for the sweeper
 */
export async function handOff(deps: HandOffDeps, tenant: Tenant, leaderId: JobId): Promise<{ more: boolean }> {
  const { ledger } = deps;
  const leader: Ended = { tenant, id: leaderId, record: await ledger.read(tenant, leaderId) };
  // Its end may still come: a call of the leader is out, or it was sent again.
  if (leader.record && !isLetGo(leader.record)) return { more: false };
  let heir: JobId | undefined;
  for (const id of await ledger.followers(tenant, leaderId, STEP)) {
    const next = await leadOn(deps, leader, id, heir).catch(asUnreadable);
    if (next === 'unreadable') continue; // It stays where it is, and keeps nobody else waiting.
    await ledger.unfollow(tenant, leaderId, id, next);
    heir ??= next;
  }
  const left = await ledger.followers(tenant, leaderId, 1);
  if (!left.length) await ledger.handedOff(tenant, leaderId);
  return { more: left.length > 0 };
}

/** Over, or held for an operator whom its twins did not ask for. */
function isLetGo({ state }: Job): boolean {
  return isTerminal(state.status) || state.phase === 'held';
}

function asUnreadable(error: unknown): 'unreadable' {
  if (error instanceof AppError && error.code === 'record_unreadable') return 'unreadable';
  throw error;
}

/** Ends follower `id` with its leader, or sends it on. @returns whom it waits for now (itself when it is the heir), if it is still open */
async function leadOn(
  deps: HandOffDeps,
  leader: Ended,
  id: JobId,
  known: JobId | undefined,
): Promise<JobId | undefined> {
  const { ledger, clock, outbox } = deps;
  const { tenant, record } = leader;
  const followed = record && (await updateJob(ledger, tenant, id, (job) => follow(job, record, clock.now())));
  const job = followed?.job ?? (await ledger.read(tenant, id));
  if (!job || isTerminal(job.state.status)) return undefined;
  const heir = known ?? (await heirOf(ledger, leader, job));
  const moved = await updateJob(ledger, tenant, id, (now) => inherit(now, leader.id, heir, clock.now()));
  if (!moved || isTerminal(moved.job.state.status)) return undefined;
  if (moved.changed && !heir) outbox.push(moved.job);
  return moved.job.state.leader ?? id;
}

/** The twin that does the ended leader's work by now: one admitted since, or an heir named before a crash. */
async function heirOf(ledger: Ledger, leader: Ended, follower: Job): Promise<JobId | undefined> {
  const id = await ledger.twin(leader.tenant, follower.fingerprint);
  if (!id || id === leader.id || id === follower.id) return undefined;
  const twin = await ledger.read(leader.tenant, id);
  return twin && (!isTerminal(twin.state.status) || twin.state.images.length > 0) ? id : undefined;
}
