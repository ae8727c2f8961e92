/**
 * Sends an endpoint events of a past time (again), as an action: what waits for it already is left alone, and the deliveries
 * that are made are as any other.
 */

import {
  type Action,
  type ActionId,
  type ActionOutcome,
  type ActionPage,
  AppError,
  deliveryId,
  type Endpoint,
  type EventId,
  eventPlace,
  newAction,
  newDelivery,
  type ReplayOrder,
  resent,
  shortDigest,
  type Tenant,
} from '../domain/index.ts';
import type { Actions, Clock, Endpoints } from '../ports/index.ts';
import type { ActionPreview, ReplayBody } from '../schemas/index.ts';
import { type WalkDeps, walkEvents } from './replay-walk.ts';
import { acceptAction } from './submit-action.ts';

export type ReplayDeps = WalkDeps & { endpoints: Endpoints; clock: Clock };
export type SubmitReplayDeps = ReplayDeps & { actions: Actions; newActionId: () => ActionId };

/** Events of one page, events looked at for one, and for a preview. */
const PAGE = 200;
const SEARCH_MAX = 5_000;
const COUNT_MAX = 20_000;
/** With so many waiting for the endpoint, a replay adds no more. */
const WAITING_MAX = 5_000;

type Asked = { tenant: Tenant; id: string; body: ReplayBody };

/** How many events would be sent; nothing is. @throws AppError `not_found`, `invalid_request` */
export async function previewReplay(deps: ReplayDeps, asked: Asked): Promise<ActionPreview> {
  const { order, expected } = await plan(deps, asked);
  return { preview: true, action: order.action, count: expected.count, at_least: expected.atLeast };
}

/** Accepts a replay, once per key. @throws as `previewReplay` and `acceptAction` do, and `conflict` for a disabled endpoint */
export async function submitReplay(
  deps: SubmitReplayDeps,
  { idempotencyKey, ...asked }: Asked & { idempotencyKey?: string },
): Promise<{ action: Action; replayed: boolean }> {
  const { order, expected, endpoint } = await plan(deps, asked);
  if (endpoint.disabled) {
    throw new AppError('conflict', {
      message: 'The endpoint is disabled, so nothing would be sent to it.',
      param: 'id',
      fix: 'Enable it first: PATCH it with {"enabled":true}.',
    });
  }
  const createdAt = deps.clock.now();
  const action = newAction({ id: deps.newActionId(), tenant: asked.tenant, order, createdAt, expected });
  const bodyHash = shortDigest({ replay: asked.id, ...asked.body });
  return acceptAction(deps.actions, action, idempotencyKey && { key: idempotencyKey, bodyHash });
}

async function plan(deps: ReplayDeps, { tenant, id, body }: Asked) {
  const endpoint = await deps.endpoints.read(tenant, id);
  if (!endpoint) throw new AppError('not_found', { message: 'There is no such endpoint.', param: 'id' });
  const { since, until = deps.clock.now(), types, only_missing: onlyMissing } = body;
  if (since >= until) {
    throw new AppError('invalid_request', {
      message: 'since must be before until, and in the past.',
      param: 'since',
      fix: 'Give an earlier time. Events are kept from now back to the time that GET /v1/events reaches.',
    });
  }
  const order: ReplayOrder = {
    action: 'replay',
    endpoint: id,
    since,
    until,
    onlyMissing,
    ...(types && { types: [...types] }),
  };
  return { order, endpoint, expected: await countEvents(deps, endpoint, order) };
}

async function countEvents(deps: ReplayDeps, endpoint: Endpoint, order: ReplayOrder) {
  let count = 0;
  let scanned = 0;
  for await (const { read, meant } of walkEvents(deps, endpoint, order, undefined)) {
    count += meant.length;
    scanned += read;
    if (scanned >= COUNT_MAX) return { count, atLeast: true };
  }
  return { count, atLeast: false };
}

/**
 * The next events that are meant, behind the cursor of the action. None, and no more, when the endpoint is gone.
 *
 * @returns `undefined` while the endpoint is disabled, or has enough to do
 */
export async function nextEvents(
  deps: ReplayDeps,
  { tenant, cursor }: Pick<Action, 'tenant' | 'cursor'>,
  order: ReplayOrder,
): Promise<ActionPage | undefined> {
  const endpoint = await deps.endpoints.read(tenant, order.endpoint);
  if (!endpoint) return { ids: [] };
  const [health] = await deps.endpoints.health(tenant, [endpoint.id]);
  if (endpoint.disabled || (health?.waiting ?? 0) > WAITING_MAX) return undefined;
  let scanned = 0;
  for await (const { read, meant, reached } of walkEvents(deps, endpoint, order, cursor)) {
    scanned += read;
    const page = meant.slice(0, PAGE);
    const end = meant.length > PAGE ? page.at(-1) : reached;
    if (page.length || scanned >= SEARCH_MAX) {
      return { ids: page.map(({ id }) => id), ...(end && { reached: { at: end.at, id: end.id } }) };
    }
  }
  return { ids: [] };
}

/** Makes the deliveries of a page pending. Done twice, it sends again only what has arrived in between and was meant anyway. */
export async function replayEvents(
  { events, endpoints, deliveries, clock }: ReplayDeps,
  tenant: Tenant,
  { endpoint: id, onlyMissing }: ReplayOrder,
  ids: EventId[],
): Promise<ActionOutcome[]> {
  const endpoint = await endpoints.read(tenant, id);
  if (!endpoint) return ids.map(() => ({ type: 'skipped' }));
  const now = clock.now();
  const known = await deliveries.read(
    tenant,
    ids.map((event) => deliveryId(event, id)),
  );
  const fresh = await Promise.all(
    ids.map(async (event, i) => {
      const record = known[i];
      if (record) return onlyMissing && record.status === 'delivered' ? undefined : resent(record, now);
      const found = eventPlace(tenant, event) && (await events.find(tenant, event));
      return found && newDelivery({ tenant, event, type: found.type, receiver: id }, now);
    }),
  );
  const sent = await deliveries.resend(
    tenant,
    id,
    fresh.filter((one) => one !== undefined),
    { now, first: false },
  );
  return ids.map((_, i) => ({ type: i < sent ? 'done' : 'skipped' }));
}
