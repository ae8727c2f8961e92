/** The accounts that carry the batch lane, side by side: which of them may take how much more, and which goes first. */

import {
  type ChannelSpec,
  type EpochMs,
  eligible,
  estimateOn,
  type Job,
  type Micros,
  type Place,
  type ProviderBatch,
  type ServedModel,
} from '@darkroom/shared/domain';
import type { BatchChannel } from '@darkroom/shared/ports';
import type { BatchAccount, BatchDeps } from './deps.ts';
import { type Room, roomFor } from './room.ts';

/** The channel of a chunk is not configured any more, or carries no batches. */
export class ChannelGoneError extends Error {
  constructor({ id, channel }: Pick<ProviderBatch, 'id' | 'channel'>) {
    super(`the provider batch ${id} waits for the channel ${channel}: configure it again, with lane batch`);
    this.name = 'ChannelGoneError';
  }
}

type AccountsDeps = Pick<BatchDeps, 'accounts'>;

/** How a chunk's account is reached. @throws ChannelGoneError: the chunk waits, and is asked after again */
export function channelOf({ accounts }: AccountsDeps, batch: Pick<ProviderBatch, 'id' | 'channel'>): BatchChannel {
  const account = accounts.get(batch.channel);
  if (!account) throw new ChannelGoneError(batch);
  return account.channel;
}

/** What the channel of a chunk offers of its model, with its prices; `undefined` = the catalogue's. */
export function servedIn(
  { accounts }: AccountsDeps,
  { channel, model }: Pick<ProviderBatch, 'channel' | 'model'>,
): ServedModel | undefined {
  return accounts.get(channel)?.spec.models[model];
}

/** What a job is expected to cost in a chunk of that channel. */
export function chunkCost(deps: AccountsDeps, place: Place, { request }: Job): Micros {
  return estimateOn(servedIn(deps, place) ?? {}, { ...request, model: place.model }, 'batch');
}

/** Whether a job may ride in a chunk of that account. */
export function carries({ spec }: BatchAccount, { request }: Job): boolean {
  return eligible(request, { model: request.model, lane: 'batch' }, [spec]).channels.length > 0;
}

/** Accounts that a job may ride with, whether or not they take anything now. */
export function accountsFor({ accounts }: AccountsDeps, job: Job): BatchAccount[] {
  return [...accounts.values()].filter((account) => carries(account, job));
}

export type RoomyAccount = { account: BatchAccount; room: Room };

/**
 * The accounts that may be given one more chunk of `model` now, the one to ask first in front: by order, then the cheapest,
 * then that which has the least of its share.
 */
export async function roomyAccounts(deps: BatchDeps, model: string): Promise<RoomyAccount[]> {
  const { accounts, batches, clock, plan } = deps;
  const open = await batches.open();
  const found: (RoomyAccount & { cost: number; load: number })[] = [];
  for (const account of accounts.values()) {
    const { spec } = account;
    const place = { channel: spec.id, model };
    const room = spec.models[model] && roomFor(open, place, { ...account, ...plan }, clock.now());
    // Where there is no other, a chunk is made ready and waits.
    if (!room || (!isOnly(deps, model) && (await takesNothingUntil(deps, place)) > clock.now())) continue;
    found.push({ account, room, cost: priceOf(spec, model), load: loadOf(open, spec) });
  }
  const ranked = found.toSorted(
    (a, b) => a.account.spec.order - b.account.spec.order || a.cost - b.cost || a.load - b.load,
  );
  return ranked.map(({ account, room }) => ({ account, room }));
}

/** Whether no more than one account has the model. */
export function isOnly({ accounts }: AccountsDeps, model: string): boolean {
  return [...accounts.values()].filter(({ spec }) => spec.models[model]).length < 2;
}

/** Until when an account is given nothing of a model: it refused to take any, or it is out of use for now. */
export async function takesNothingUntil(deps: Pick<BatchDeps, 'batches' | 'isOut'>, place: Place): Promise<EpochMs> {
  if (await deps.isOut(place)) return Number.POSITIVE_INFINITY;
  return deps.batches.parkedUntil(place);
}

/** Whether any of these jobs could ride with another account than that of `place`, which takes something now. */
export async function mayGoElsewhere(deps: BatchDeps, { channel, model }: Place, jobs: Job[]): Promise<boolean> {
  const others = (await roomyAccounts(deps, model)).filter(({ account }) => account.spec.id !== channel);
  return others.some(({ account }) => jobs.some((job) => carries(account, job)));
}

/** Of one plain image: what tells accounts apart. */
function priceOf({ models }: ChannelSpec, model: string): Micros {
  const served = models[model];
  const [size = '1K'] = served?.capabilities.sizes ?? [];
  return estimateOn(served ?? {}, { model, size, prompt: '', references: [] }, 'batch');
}

/** Images under way there against its weight; one without weight comes last. */
function loadOf(open: ProviderBatch[], { id, weight }: ChannelSpec): number {
  const images = open.filter(({ channel }) => channel === id).reduce((sum, { size }) => sum + size, 0);
  return weight > 0 ? images / weight : Number.MAX_SAFE_INTEGER + images;
}
