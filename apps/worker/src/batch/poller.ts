/**
 * One list of each account, once in a while, serves every chunk that the provider has or may have there.
 *
 * Whoever takes the turn asks all accounts side by side, and a turn ends by time, or when the provider's own word calls for the next one: so any
 * number of workers ask as often as one. A list that fails says nothing about any batch.
 */

import {
  backoffDelay,
  cancelAsked,
  cancelReason,
  chunkOf,
  isStray,
  look,
  mayBeLost,
  notFound,
  observe,
  type ProviderBatch,
  strayId,
  strayOf,
} from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { RemoteBatch } from '@darkroom/shared/ports';
import { each, type Failed } from '../sweeper/each.ts';
import { ChannelGoneError, channelOf } from './accounts.ts';
import type { BatchAccount, BatchDeps } from './deps.ts';
import { idsOf } from './ids-of.ts';
import { comeToRescue } from './rescue-time.ts';
import { create, deadline } from './submitter.ts';
import { isWanted } from './wanted.ts';

/** The provider's clock may be this far from ours: one that a list leaves out for its age would be made again. */
const SKEW_MS = 24 * 3_600_000;
const CALL_MS = 60_000;
/** Cancel calls side by side. */
const CANCELS = 16;
const TROUBLE_MS_MAX = 600_000;
/** What other workers keep away for: a little less than the time between two lists, so that no turn is left out. */
const TURN_SHARE = 0.9;

export type Poller = { once(): Promise<void> };

export function createPoller(deps: BatchDeps): Poller {
  const accounts = [...deps.accounts.values()].map((account) => ({ account, troubles: 0, notBefore: 0 }));
  return {
    once: async () => {
      const { batches, clock, pollMs, random, log } = deps;
      const asked = accounts.filter(({ notBefore }) => clock.now() >= notBefore);
      if (accounts.length && !asked.length) return;
      const watched = (await batches.open()).filter(({ state }) => state === 'creating' || state === 'submitted');
      const straysSince = await batches.straysSince(clock.now());
      if (!watched.length && straysSince === undefined) return;
      if (!(await batches.takeTurn('poll', pollMs * TURN_SHARE))) return;
      const lost = watched.filter(({ channel }) => !deps.accounts.has(channel));
      for (const batch of lost)
        log.error({ ...idsOf(batch), ...describeError(new ChannelGoneError(batch)) }, 'chunk.channel_gone');
      const failed = await each(asked, asked.length || 1, async (one) => {
        const own = watched.filter(({ channel }) => channel === one.account.spec.id);
        if (!own.length && straysSince === undefined) return;
        const since = Math.min(straysSince ?? Number.POSITIVE_INFINITY, ...own.map(({ createdAt }) => createdAt));
        const listed = await poll(deps, one.account, own, since - SKEW_MS);
        one.troubles = listed ? 0 : one.troubles + 1;
        const backoff = Math.min(TROUBLE_MS_MAX, pollMs * 2 ** Math.min(one.troubles, 10)) + backoffDelay(1, random);
        one.notBefore = listed ? 0 : clock.now() + backoff;
      });
      for (const { item, error } of failed)
        log.error({ channel: item.account.spec.id, ...describeError(error) }, 'chunk.not_polled');
    },
  };
}

/** @returns whether there was a list */
async function poll(
  deps: BatchDeps,
  { channel }: BatchAccount,
  watched: ProviderBatch[],
  since: number,
): Promise<boolean> {
  const { clock, log } = deps;
  const listedAt = clock.now();
  const done = await channel.list(since, deadline(deps, CALL_MS));
  if (done.type !== 'done') {
    log.warn(
      {
        channel: channel.id,
        outcome: done.type,
        ...(done.type === 'unknown' && { reason: done.reason }),
        ...(done.type === 'rejected' && { http: done.verdict.http, error: done.verdict.code }),
      },
      'chunk.list_failed',
    );
    return false;
  }
  const strays = new Set(watched.filter(({ stray }) => stray).map(({ providerName }) => providerName));
  const shownTo = ({ stray }: ProviderBatch) =>
    stray ? done.batches : done.batches.filter(({ name }) => !strays.has(name));
  const going: ProviderBatch[] = [];
  const notAttended = ({ item, error }: Failed<ProviderBatch>) =>
    log.error({ ...idsOf(item), ...describeError(error) }, 'chunk.not_attended');
  const attendTo = async (some: ProviderBatch[]) => {
    // One after the other: which of them are taken back depends on those before.
    const failed = await each(some, 1, async (batch) => {
      const asked = await attend(deps, batch, shownTo(batch), listedAt);
      if (asked) going.push(asked);
    });
    failed.forEach(notAttended);
  };
  await attendTo(watched);
  await attendTo(await recordStrays(deps, channel.id, done.batches));
  (await each(going, CANCELS, (batch) => cancel(deps, batch))).forEach(notAttended);
  return true;
}

/**
 * Batches that were made of a chunk beside the one it is followed by get records of their own: from there on they are
 * canceled and collected like all others. Batches of the account that are nobody's here are none of our business.
 */
async function recordStrays(deps: BatchDeps, channel: string, list: RemoteBatch[]): Promise<ProviderBatch[]> {
  const { batches, clock, log, metrics } = deps;
  const recorded: ProviderBatch[] = [];
  for (const listed of list) {
    const id = chunkOf(listed.displayName);
    const chunk = id && (await batches.read(id));
    if (
      !chunk ||
      chunk.channel !== channel ||
      !isStray(chunk, listed) ||
      (await batches.read(strayId(chunk.id, listed.name)))
    )
      continue;
    const stray = strayOf(chunk, listed, clock.now());
    if (!(await batches.plan(stray, []))) continue; // Somebody else has just met it.
    const [alarm] = stray.alarms;
    metrics.batchAlarm();
    log.error({ ...idsOf(stray), chunk: chunk.id, name: listed.name, state: listed.state, alarm }, 'chunk.alarm');
    recorded.push(stray);
  }
  return recorded;
}

/** @returns the batch when the provider is to be asked to stop it */
async function attend(
  deps: BatchDeps,
  known: ProviderBatch,
  list: RemoteBatch[],
  listedAt: number,
): Promise<ProviderBatch | undefined> {
  const { batches, clock, rules } = deps;
  const seen = look(known, list, rules, listedAt, clock.now());
  if (seen && !(await batches.write(seen))) return undefined; // Somebody else attends to it.
  const batch = seen ?? known;
  tell(deps, known, batch);
  if (mayBeLost(batch, clock.now())) await ask(deps, batch);
  const asked = await takeBack(deps, batch);
  if (batch.state === 'creating') await create(deps, batch);
  return asked;
}

function tell(
  { log, crash, metrics }: BatchDeps,
  before: ProviderBatch,
  { state, end, ...after }: ProviderBatch,
): void {
  const ids = { providerBatch: after.id, model: after.model, name: after.providerName };
  for (const alarm of after.alarms.filter((text) => !before.alarms.includes(text))) {
    metrics.batchAlarm();
    log.error({ ...ids, alarm }, 'chunk.alarm');
  }
  if (before.state === 'creating' && state !== 'creating') log.warn({ ...ids, state }, 'chunk.found');
  if (before.providerState !== after.providerState) log.info({ ...ids, state: after.providerState }, 'chunk.moved');
  if (state !== 'ended') return;
  crash('chunk.ended');
  log.info({ ...ids, end: end?.type, responsesFile: end?.responsesFile }, 'chunk.ended');
}

/** Asks by name for a batch that lists do not show. */
async function ask(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { batches, clock } = deps;
  if (!batch.providerName) return;
  const done = await channelOf(deps, batch).get(batch.providerName, deadline(deps, CALL_MS));
  if (done.type !== 'done') return;
  const next = done.batch ? observe(batch, done.batch, clock.now()) : notFound(batch, clock.now());
  if (next && (await batches.write(next))) tell(deps, batch, next);
}

/**
 * Decides that it is to be stopped, when time is short or nobody waits any more. Only the provider's word says that it is.
 *
 * On record first: the end of a batch that nobody here is known to have asked for would look like somebody else's doing.
 *
 * @returns the batch when the provider is to be asked now
 */
async function takeBack(deps: BatchDeps, batch: ProviderBatch): Promise<ProviderBatch | undefined> {
  const { batches, clock } = deps;
  if (batch.state !== 'submitted' || !batch.providerName) return undefined;
  const decided = batch.stray !== undefined || batch.cancelAskedAt !== undefined;
  const wanted = !decided && (await isWanted(deps, batch));
  const reason = cancelReason(batch, wanted, clock.now());
  const going = reason === 'rescue' ? await comeToRescue(deps, batch) : batch;
  const asked = reason && going && cancelAsked(going, reason, clock.now());
  return asked && (await batches.write(asked)) ? asked : undefined;
}

/** Side by side with others: calls that hang must not cost the next chunk its deadline. */
async function cancel(deps: BatchDeps, asked: ProviderBatch): Promise<void> {
  const { providerName: name = '', cancelFor: reason } = asked;
  const done = await channelOf(deps, asked).cancel(name, deadline(deps, CALL_MS));
  deps.log.warn({ ...idsOf(asked), name, reason, outcome: done.type }, 'chunk.canceling');
}
