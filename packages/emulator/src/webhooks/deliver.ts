/**
 * Sends webhooks: at least once, in no order, and again for a day when nobody says 2xx.
 *
 * Retries wait in the emulator's time, but a delivery's timestamp is the time outside: receivers refuse old ones by their
 * own clocks. Nothing is ever sent to another machine.
 */
import { randomUUID } from 'node:crypto';
import type { Batch } from '../batches/batch-store.ts';
import type { World } from '../world.ts';
import type { Endpoint } from './endpoint-store.ts';
import { eventOf, type WebhookEvent } from './event.ts';
import { isLoopback } from './loopback.ts';
import { signShared } from './sign.ts';

/** One try to deliver a webhook, as control shows it. */
export type Delivery = {
  /** The `webhook-id`: the same in each try, and in each duplicate. */
  id: string;
  /** Epoch milliseconds outside. */
  at: number;
  type: string;
  uri: string;
  batch: string | undefined;
  /** From 1. */
  attempt: number;
  /** An HTTP status, or why there is none. */
  outcome: number | 'failed' | 'not_loopback' | 'withheld';
};

export type Webhooks = {
  /** Tells an endpoint that it is there. */
  ping(endpoint: Endpoint): void;
  /** The latest tries, oldest first. */
  deliveries(): Delivery[];
};

type Target = { uri: string; endpoint: Endpoint | undefined };
type Message = { id: string; target: Target; event: WebhookEvent; batch: Batch | undefined };

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** Each wait before the next try; after the last one, a day after the first, it is given up. */
const RETRY_MS = [5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS, 300 * MINUTE_MS, 980 * MINUTE_MS];
const ANSWER_MS = 5_000;
const DELIVERIES_MAX = 1_000;

type Parts = Pick<World, 'now' | 'clock' | 'faults' | 'batches' | 'endpoints' | 'tokens' | 'closing'>;

export function createWebhooks(parts: Parts): Webhooks {
  const { clock, faults, batches, endpoints, closing } = parts;
  const deliveries: Delivery[] = [];

  function note(message: Message, attempt: number, outcome: Delivery['outcome']): void {
    const { id, target, event, batch } = message;
    const { uri } = target;
    deliveries.push({ id, at: parts.now(), type: event.type, uri, batch: batch?.id, attempt, outcome });
    if (deliveries.length > DELIVERIES_MAX) deliveries.shift();
  }

  async function attempt(message: Message, nth: number): Promise<void> {
    if (closing.aborted) return;
    const outcome = isLoopback(message.target.uri) ? await post(parts, message) : 'not_loopback';
    note(message, nth, outcome);
    if (outcome === 'not_loopback' || (typeof outcome === 'number' && outcome >= 200 && outcome < 300)) return;
    retry(message, nth);
  }

  function retry(message: Message, nth: number): void {
    const wait = RETRY_MS[nth - 1];
    const { endpoint } = message.target;
    if (wait !== undefined) clock.at(clock.now() + wait, () => void attempt(message, nth + 1));
    else if (endpoint) endpoints.update(endpoint, { state: 'disabled_due_to_failed_deliveries' });
  }

  function send(message: Message): void {
    const { batch } = message;
    const named = batch && { batch: batch.id, displayName: batch.displayName, model: batch.model.id };
    const fault = faults.choose({ route: 'deliver_webhook', ...named });
    if (fault?.kind !== 'delivery') return void attempt(message, 1);
    if (fault.never) return note(message, 1, 'withheld');
    const go = () => {
      for (let copy = 0; copy < (fault.copies ?? 1); copy += 1) void attempt(message, 1);
    };
    clock.at(clock.now() + (fault.afterMs ?? 0), go);
    clock.catchUp();
  }

  batches.onEnd((batch) => {
    // Google's cloud tells nobody.
    if (batch.cloud) return;
    const event = eventOf(batch);
    const { uris = [], userMetadata } = batch.webhookConfig ?? {};
    const own = { ...event, data: { ...event.data, ...(userMetadata && { user_metadata: userMetadata }) } };
    for (const uri of uris) send({ id: randomUUID(), target: { uri, endpoint: undefined }, event: own, batch });
    if (uris.length > 0) return;
    for (const endpoint of endpoints.list(batch.project)) {
      if (endpoint.state !== 'enabled' || !endpoint.events.includes(event.type)) continue;
      send({ id: randomUUID(), target: { uri: endpoint.uri, endpoint }, event, batch });
    }
  });

  return {
    ping(endpoint) {
      const event: WebhookEvent = {
        type: 'ping',
        version: 'v1',
        timestamp: new Date(clock.now()).toISOString(),
        data: {},
      };
      send({ id: randomUUID(), target: { uri: endpoint.uri, endpoint }, event, batch: undefined });
    },
    deliveries: () => [...deliveries],
  };
}

async function post(parts: Parts, { id, target, event }: Message): Promise<number | 'failed'> {
  const { now, endpoints, tokens, closing } = parts;
  const { uri, endpoint } = target;
  const body = JSON.stringify(event);
  const signed = { id, timestampS: Math.floor(now() / SECOND_MS), body };
  const signature = endpoint ? signShared(signed, endpoints.secretsOf(endpoint)) : tokens.token(signed, uri);
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(signed.timestampS),
    'webhook-signature': signature,
  };
  const signal = AbortSignal.any([closing, AbortSignal.timeout(ANSWER_MS)]);
  try {
    const response = await fetch(uri, { method: 'POST', headers, body, redirect: 'manual', signal });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 'failed';
  }
}
