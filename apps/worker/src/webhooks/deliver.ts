/**
 * One claim: deliveries of one receiver, from the claim to what came of them.
 *
 * What a crash leaves: before a post, deliveries that are due again when the lease ends; after it, the same, so the receiver
 * is sent the event once more under the same `webhook-id`. The lease is far longer than a post takes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import {
  afterTry,
  type Delivery,
  type DeliveryOutcome,
  isDelivered,
  isGone,
  isOwnReceiver,
  type ReceiverHealth,
  type ReceiverId,
  type Tenant,
  warnAt,
} from '@darkroom/shared/domain';
import type { Claim } from '@darkroom/shared/ports';
import { signatureHeaders } from '@darkroom/shared/webhooks';
import { type Address, addressOf } from './address.ts';
import type { Bodies } from './bodies.ts';
import { inDeliverySpan } from './delivery-span.ts';
import type { WebhookDeps } from './deps.ts';
import { disableEndpoint } from './disable.ts';
import type { Gate } from './gate.ts';
import { pauseAfter } from './pause.ts';

/** What one try came to; `same` = it says nothing of the receiver. */
type Tried = { delivery: Delivery; outcome: DeliveryOutcome; health: 'ok' | 'failed' | 'same' };

/** What a delivery needs beside what all of the deliverer does. */
export type Sender = WebhookDeps & { bodies: Bodies; gate: Gate };

/** Tries that end within so long are written together. */
const GATHER_MS = 10;

/** Posts what was claimed, and writes what came of it. @param ended told of each post as it ends */
export async function deliver(
  deps: Sender,
  { tenant, receiver }: { tenant: Tenant; receiver: ReceiverId },
  claim: Claim,
  ended: (post: { well: boolean; ms: number }) => void,
): Promise<void> {
  const { deliveries } = claim;
  const [address, bodies] = await Promise.all([addressOf(deps, tenant, receiver), deps.bodies(tenant, deliveries)]);
  if (address === undefined) return;
  const posts = deliveries.map(async (delivery, i) => {
    const body = bodies[i];
    if (!address.keys.length) return untold(deps, delivery, 'the secret of the endpoint cannot be read');
    if (body === undefined) return untold(deps, delivery, 'the event is kept no longer, or cannot be shown');
    return deps.gate.pass(`${tenant} ${receiver}`, () => post(deps, delivery, address, body, ended));
  });
  let health = claim.health;
  await inGroups(posts, async (tries) => {
    health = await settle(deps, { tenant, receiver, until: claim.until, health }, tries);
  });
}

async function post(
  deps: WebhookDeps,
  delivery: Delivery,
  { url, headers, keys }: Address,
  body: string,
  ended: (post: { well: boolean; ms: number }) => void,
): Promise<Tried> {
  const { clock, poster } = deps;
  const to = delivery.url ?? url ?? '';
  const at = clock.now();
  const begun = performance.now();
  const signed = signatureHeaders(keys, { id: delivery.event, body, at });
  const secrets = [...Object.values(headers), ...signed['webhook-signature'].split(' ')];
  const outcome = await inDeliverySpan(deps, delivery, to, () =>
    poster.post(to, { headers: { ...headers, ...signed }, body, secrets }),
  );
  const ms = Math.round(performance.now() - begun);
  const well = isDelivered(outcome);
  ended({ well, ms });
  const after = afterTry(delivery, { outcome, at, ms }, clock.now(), deps.random);
  tell(deps, after, to, outcome, ms);
  return { delivery: after, outcome, health: well ? 'ok' : isGone(outcome) ? 'same' : 'failed' };
}

/** Nothing was sent, for a reason of our own; it is tried again as if it had been. */
function untold({ clock, random }: WebhookDeps, delivery: Delivery, reason: string): Tried {
  const outcome: DeliveryOutcome = { type: 'failed', reason };
  const at = clock.now();
  return { delivery: afterTry(delivery, { outcome, at, ms: 0 }, at, random), outcome, health: 'same' };
}

/** One line for each try: where to, and how it went; neither path nor query, which are the receiver's own secrets. */
function tell({ log, metrics }: WebhookDeps, delivery: Delivery, url: string, outcome: DeliveryOutcome, ms: number) {
  const { id, tenant, event, receiver, tries, status } = delivery;
  metrics.tried(outcome, ms, status);
  const end = outcome.type === 'answered' ? { http: outcome.http } : { reason: outcome.reason };
  const host = URL.parse(url)?.host ?? '';
  log.info({ tenant, delivery: id, about: event, receiver, host, try: tries, status, ...end, ms }, 'webhook.tried');
}

async function settle(
  deps: WebhookDeps,
  claim: { tenant: Tenant; receiver: ReceiverId; until: number; health: ReceiverHealth },
  tries: Tried[],
): Promise<ReceiverHealth> {
  const { deliveries, clock, random, failuresMax } = deps;
  const { tenant, receiver, until } = claim;
  const now = clock.now();
  const failed = tries.filter(({ health }) => health === 'failed').length;
  const { health } = await deliveries.settle(tenant, receiver, tries, {
    until,
    now,
    pauseMs: pauseAfter(claim.health, failed, now, random),
    warnAt: warnAt(failuresMax),
  });
  if (isOwnReceiver(receiver)) return health;
  const gone = tries.some(({ outcome }) => isGone(outcome));
  if (gone || health.failures >= failuresMax) await disableEndpoint(deps, tenant, receiver, gone ? 'gone' : 'failing');
  return health;
}

/** Hands on what has ended, a little after its first, until all has: one that hangs holds up no other. */
async function inGroups(posts: Promise<Tried>[], act: (tries: Tried[]) => Promise<void>): Promise<void> {
  const ended: Tried[] = [];
  let left = posts.length;
  let acting = Promise.resolve();
  const hand = async () => {
    if (left > 0) await sleep(GATHER_MS);
    const group = ended.splice(0);
    if (group.length) await act(group);
  };
  const all = posts.map(async (one) => {
    ended.push(await one);
    left--;
    acting = acting.then(hand);
    await acting;
  });
  await Promise.all(all);
}
