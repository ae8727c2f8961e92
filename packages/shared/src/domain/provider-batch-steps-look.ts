/** What a list of the account, or the provider's word on one name, says about a chunk. Pure. */

import type { EpochMs } from './job.ts';
import type { ProviderBatch, ProviderEnd } from './provider-batch.ts';
import { type BatchRules, isGivenUp, overAt, submitted } from './provider-batch-steps-create.ts';
import { dropping, endedBy, next } from './provider-batch-steps-next.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A batch that no list shows for this long is asked for by its name. */
const UNSEEN_MS = 10 * MINUTE_MS;
const NOT_FOUND_MIN = 2;

/** A batch as the provider lists it, as far as decisions need it. */
export type Listed = {
  name: string;
  displayName: string;
  inputFile?: string;
  end?: Exclude<ProviderEnd, 'lost'>;
  state: string;
  /** 0 when the provider does not tell. */
  createdAt: EpochMs;
  responsesFile?: string;
  message?: string;
  stats?: { total: number; succeeded: number };
};

/**
 * What a whole list of the account says about one chunk, or one stray.
 *
 * @param listedAt when the list was asked for: what came later it cannot show
 * @param list every batch of the account since before the first intent, but those that are followed as strays
 */
export function look(
  batch: ProviderBatch,
  list: readonly Listed[],
  rules: BatchRules,
  listedAt: EpochMs,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'creating' && batch.state !== 'submitted') return undefined;
  const kept = followed(batch, list);
  if (!kept) return unseen(batch, rules, listedAt, now);
  const adopted = kept.name === batch.providerName ? batch : submitted(batch, kept, rules, now);
  const seen = adopted.unseen ? dropping(adopted, 'unseen') : adopted;
  const after = observe(seen, kept, now) ?? seen;
  return after === batch ? undefined : { ...after, version: batch.version + 1 };
}

/** The one that the chunk is to be followed by; all others that were made of it are strays. */
function followed(batch: ProviderBatch, list: readonly Listed[]): Listed | undefined {
  const oldestFirst = list
    .filter((listed) => listed.name === batch.providerName || (!batch.stray && isMadeOf(batch, listed)))
    .toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
  const open = oldestFirst.find(({ end }) => !end);
  if (!batch.providerName) return oldestFirst.find(({ end }) => end === 'succeeded') ?? open ?? oldestFirst[0];
  const own = oldestFirst.find(({ name }) => name === batch.providerName);
  // An older one, which lists have hidden so far, is further on than that which was made in its place.
  return own && !own.end ? open : own;
}

/** Whether the provider made it of this chunk's input, by whichever call. */
export function isMadeOf({ displayName, input }: ProviderBatch, listed: Listed): boolean {
  return listed.displayName === displayName && (listed.inputFile === undefined || listed.inputFile === input?.fileName);
}

/** The provider's word on a batch that is known by its name. */
export function observe(batch: ProviderBatch, seen: Listed, now: EpochMs): ProviderBatch | undefined {
  if (batch.state !== 'submitted' || seen.name !== batch.providerName) return undefined;
  if (!seen.end) return seen.state === batch.providerState ? undefined : next(batch, { providerState: seen.state });
  const ended = endedBy(batch, seen.end, seen.message, now);
  if (ended.end && seen.responsesFile) ended.end.responsesFile = seen.responsesFile;
  if (ended.end && isPartial(batch, seen)) ended.end.partial = true;
  else if (ended.end && isEmpty(seen)) ended.end.empty = true;
  if (ended.end && wasRunning(batch)) ended.end.awaited = true;
  return { ...ended, providerState: seen.state };
}

/** It says so; or somebody else has canceled it when it was under way. */
function isPartial(batch: ProviderBatch, { end, stats }: Listed): boolean {
  if ((stats?.succeeded ?? 0) > 0) return true;
  return end === 'canceled' && batch.cancelAskedAt === undefined && wasRunning(batch);
}

/** Counts that are not told are no counts. */
function isEmpty({ stats }: Listed): boolean {
  return stats !== undefined && stats.total > 0 && stats.succeeded === 0;
}

function wasRunning({ providerState = '' }: ProviderBatch): boolean {
  return /RUNNING/.test(providerState);
}

/**
 * Whether the results of a batch that is over may still come to light, though no file is named.
 *
 * Ends are told before results are, and counts before both. A stray has no deadline that could not wait for them.
 */
export function mayHaveResults({ end, stray, providerName }: ProviderBatch): boolean {
  if (!end || end.type === 'lost' || providerName === undefined) return false;
  if (end.type === 'succeeded' || end.partial) return true;
  return !end.empty && (end.awaited === true || stray !== undefined);
}

/** Whether members that no line tells of may have been made, and billed. */
export function mayBeBilled({ end }: ProviderBatch): boolean {
  if (end?.type === 'succeeded' || end?.type === 'lost') return true;
  return end?.responsesFile !== undefined || end?.partial === true;
}

function unseen(batch: ProviderBatch, rules: BatchRules, listedAt: EpochMs, now: EpochMs): ProviderBatch | undefined {
  if (batch.state === 'submitted')
    return batch.unseen ? undefined : next(batch, { unseen: { since: listedAt, notFoundAt: [] } });
  const last = batch.creates.at(-1);
  if (!last || listedAt < overAt(last, rules)) return undefined;
  const counted = { ...last, emptyLists: last.emptyLists + 1, lastListAt: listedAt };
  const looked = next(batch, { creates: [...batch.creates.slice(0, -1), counted], dueAt: now });
  return isGivenUp(looked, rules, now)
    ? { ...endedBy(looked, 'lost', 'no list ever showed it', now), version: batch.version + 1 }
    : looked;
}

/** Whether it has been out of sight for so long that it should be asked for by its name. */
export function mayBeLost({ state, unseen: gone }: ProviderBatch, now: EpochMs): boolean {
  if (state !== 'submitted' || !gone) return false;
  const asked = gone.notFoundAt.at(-1);
  return asked === undefined ? now - gone.since >= UNSEEN_MS : now - asked >= HOUR_MS;
}

/** The provider knows no such name: said twice, an hour apart, it is over. */
export function notFound(batch: ProviderBatch, now: EpochMs): ProviderBatch | undefined {
  if (!batch.unseen || !mayBeLost(batch, now)) return undefined;
  const notFoundAt = [...batch.unseen.notFoundAt, now];
  if (notFoundAt.length >= NOT_FOUND_MIN) return endedBy(batch, 'lost', 'the provider no longer knows it', now);
  return next(batch, { unseen: { ...batch.unseen, notFoundAt } });
}
