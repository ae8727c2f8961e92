/**
 * One list of the account, once in a while, serves every chunk that the provider has or may have.
 *
 * Whoever takes the turn asks, and a turn ends by time, or when the provider's own word calls for the next one: so any
 * number of workers ask as often as one. A list that fails says nothing about any batch.
 */

import {
  backoffDelay,
  cancelAsked,
  cancelReason,
  chunkOf,
  look,
  mayBeLost,
  notFound,
  observe,
  type ProviderBatch,
  type ProviderBatchState,
} from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { RemoteBatch } from '@darkroom/shared/ports';
import type { BatchDeps } from './deps.ts';
import { create, deadline, idsOf } from './submitter.ts';
import { isWanted } from './wanted.ts';

/** The provider's clock may be this far from ours. */
const SKEW_MS = 600_000;
const CALL_MS = 60_000;
const TROUBLE_MS_MAX = 600_000;
/** What other workers keep away for: a little less than the time between two lists, so that no turn is left out. */
const OVER: ReadonlySet<ProviderBatchState> = new Set(['ended', 'closed']);
const TURN_SHARE = 0.9;

export type Poller = { once(): Promise<void> };

export function createPoller(deps: BatchDeps): Poller {
  let troubles = 0;
  let notBefore = 0;
  return {
    once: async () => {
      const { batches, clock, pollMs, random } = deps;
      if (clock.now() < notBefore) return;
      const watched = (await batches.open()).filter(({ state }) => state === 'creating' || state === 'submitted');
      if (!watched.length || !(await batches.takeTurn('poll', pollMs * TURN_SHARE))) return;
      const listed = await poll(deps, watched);
      troubles = listed ? 0 : troubles + 1;
      const backoff = Math.min(TROUBLE_MS_MAX, pollMs * 2 ** Math.min(troubles, 10)) + backoffDelay(1, random);
      notBefore = listed ? 0 : clock.now() + backoff;
    },
  };
}

/** @returns whether there was a list */
async function poll(deps: BatchDeps, watched: ProviderBatch[]): Promise<boolean> {
  const { channel, clock, log } = deps;
  const since = Math.min(...watched.map(({ createdAt }) => createdAt)) - SKEW_MS;
  const listedAt = clock.now();
  const done = await channel.list(since, deadline(deps, CALL_MS));
  if (done.type !== 'done') {
    log.warn({ outcome: done.type, ...(done.type === 'unknown' && { reason: done.reason }) }, 'chunk.list_failed');
    return false;
  }
  for (const batch of watched) {
    await attend(deps, batch, done.batches, listedAt).catch((error: unknown) =>
      log.error({ ...idsOf(batch), ...describeError(error) }, 'chunk.not_attended'),
    );
  }
  await stopStrays(deps, watched, done.batches);
  return true;
}

/**
 * A batch of ours that is under way though its chunk is over: made by a call that lists hid for longer than anybody waits.
 * Others of the account, also those of another installation, are none of our business.
 */
async function stopStrays(deps: BatchDeps, watched: ProviderBatch[], list: RemoteBatch[]): Promise<void> {
  const names = new Set(watched.map(({ displayName }) => displayName));
  for (const { name, displayName, end } of list) {
    const id = names.has(displayName) || end ? undefined : chunkOf(displayName);
    const chunk = id && (await deps.batches.read(id));
    if (!chunk || chunk.providerName === name || !OVER.has(chunk.state)) continue;
    const done = await deps.channel.cancel(name, deadline(deps, CALL_MS));
    deps.metrics.batchAlarm();
    deps.log.error({ ...idsOf(chunk), name, outcome: done.type, alarm: 'made again behind its end' }, 'chunk.alarm');
  }
}

async function attend(deps: BatchDeps, known: ProviderBatch, list: RemoteBatch[], listedAt: number): Promise<void> {
  const { batches, clock, rules } = deps;
  const seen = look(known, list, rules, listedAt, clock.now());
  if (seen.batch && !(await batches.write(seen.batch))) return; // Somebody else attends to it.
  const batch = seen.batch ?? known;
  tell(deps, known, batch);
  for (const other of seen.surplus) await removeSurplus(deps, batch, other);
  if (mayBeLost(batch, clock.now())) await ask(deps, batch);
  await takeBack(deps, batch);
  if (batch.state === 'creating') await create(deps, batch);
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

/** A second batch of one chunk is stopped, and then removed, so that it is not met for ever. */
async function removeSurplus(
  deps: BatchDeps,
  batch: ProviderBatch,
  { name, end }: Pick<RemoteBatch, 'name' | 'end'>,
): Promise<void> {
  const signal = deadline(deps, CALL_MS);
  const done = end ? await deps.channel.deleteBatch(name, signal) : await deps.channel.cancel(name, signal);
  deps.log.warn({ ...idsOf(batch), name, step: end ? 'deleted' : 'canceled', outcome: done.type }, 'chunk.surplus');
}

/** Asks by name for a batch that lists do not show. */
async function ask(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { channel, batches, clock } = deps;
  if (!batch.providerName) return;
  const done = await channel.get(batch.providerName, deadline(deps, CALL_MS));
  if (done.type !== 'done') return;
  const next = done.batch ? observe(batch, done.batch, clock.now()) : notFound(batch, clock.now());
  if (next && (await batches.write(next))) tell(deps, batch, next);
}

/** Asks the provider to stop, when time is short or nobody waits any more. Only its own word says that it did. */
async function takeBack(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { channel, batches, clock, log } = deps;
  if (batch.state !== 'submitted' || !batch.providerName || batch.cancelAskedAt !== undefined) return;
  const reason = cancelReason(batch, await isWanted(deps, batch), clock.now());
  if (!reason) return;
  const done = await channel.cancel(batch.providerName, deadline(deps, CALL_MS));
  log.warn({ ...idsOf(batch), name: batch.providerName, reason, outcome: done.type }, 'chunk.canceling');
  const asked = done.type === 'done' && cancelAsked(batch, reason, clock.now());
  if (asked) await batches.write(asked);
}
