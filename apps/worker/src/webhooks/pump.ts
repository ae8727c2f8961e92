/**
 * Keeps deliveries going: reads the log of each tenant that something happened to, and posts what is due.
 *
 * News comes by `Changes`, which is best effort, and not of jobs that are new; so all logs and all receivers are looked at
 * twice a second.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { EpochMs, ReceiverId, Tenant } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import { createTroubleLog } from '../trouble-log.ts';
import { type Bell, createBell } from './bell.ts';
import { createBodies } from './bodies.ts';
import { deliver } from './deliver.ts';
import type { WebhookDeps } from './deps.ts';
import { fanOut } from './fan-out.ts';
import { createGate } from './gate.ts';
import { createLines, type Place } from './lines.ts';
import { createNews } from './news.ts';
import { rememberEvents } from './remembered.ts';
import { createSideBySide } from './side-by-side.ts';

export type Pump = {
  /** Makes deliveries of what is new in the logs, and begins to send what is due. @returns whether there is more to do */
  round(): Promise<boolean>;
  /** Does both again and again, side by side, until the signal. */
  run(signal: AbortSignal): Promise<void>;
  /** What is under way has ended. */
  idle(): Promise<void>;
};

/** Posts that may be under way to one receiver. */
const PER_RECEIVER = 10;
/** Longer than a wait for the post's turn, the post, and its answer to be written may take together. */
const LEASE_MS = 60_000;
/** Between two looks without news. */
const LOOK_MS = 500;
/** Between two rounds. */
const GATHER_MS = 3;
/** Tenants whose logs are read side by side. */
const WIDTH = 4;
/** Steps in one tenant's log before others get their turn. */
const STEPS = 5;

type Waiting = { tenant: Tenant; receiver: ReceiverId };

export function createPump(given: WebhookDeps): Pump {
  const deps = { ...given, events: rememberEvents(given.events) };
  const { clock, deliveries, log } = deps;
  const bounds = { posts: deps.concurrency, perReceiver: PER_RECEIVER };
  const sender = { ...deps, bodies: createBodies(deps), gate: createGate(bounds) };
  const lines = createLines(bounds, () => performance.now());
  const news = createNews(deps.changes, () => performance.now());
  const room = createBell();
  const tenantsNow = createTenants(deps);
  const sending = new Set<Promise<void>>();
  /** When each tenant's receivers are to be looked at. */
  const lookAt = new Map<Tenant, EpochMs>();
  /** Whose turn it is. */
  let first = 0;

  async function readOn(tenant: Tenant): Promise<void> {
    try {
      let more = true;
      for (let n = 0; more && n < STEPS; n++) {
        more = await fanOut(deps, tenant);
        lookAt.delete(tenant);
        room.ring();
      }
      if (more) news.add(tenant);
    } catch (error) {
      log.warn({ tenant, ...describeError(error) }, 'webhook.not_fanned_out');
    }
  }

  const reading = createSideBySide(WIDTH, readOn);
  async function readNews(): Promise<void> {
    for (const tenant of news.take(await tenantsNow())) reading.add(tenant);
  }

  /** Receivers that could be sent to, of each tenant in turn. */
  async function waiting(tenants: Tenant[]): Promise<Waiting[]> {
    const now = clock.now();
    // Another begins each time: of what is left of the places, the first may take all.
    first = (first + 1) % Math.max(1, tenants.length);
    const inTurn = [...tenants.slice(first), ...tenants.slice(0, first)];
    const due = inTurn.filter((tenant) => (lookAt.get(tenant) ?? 0) <= now);
    // Before it is asked: what is made meanwhile is looked at next.
    for (const tenant of due) lookAt.set(tenant, now + LOOK_MS);
    // Those that have their places already are among them; the others must be seen behind them.
    const found = await Promise.all(due.map((tenant) => deliveries.ready(tenant, now, 2 * deps.concurrency)));
    for (const [i, tenant] of due.entries()) if (found[i]?.length) lookAt.delete(tenant);
    const turns = Math.max(0, ...found.map(({ length }) => length));
    return Array.from({ length: turns }, (_, turn) =>
      due.flatMap((tenant, i) => {
        const receiver = found[i]?.[turn];
        return receiver === undefined ? [] : [{ tenant, receiver }];
      }),
    ).flat();
  }

  /** @returns whether anything was taken */
  async function send(one: Waiting, others: number): Promise<boolean> {
    const line = `${one.tenant} ${one.receiver}`;
    const places = Array.from({ length: lines.room(line, others) }, () => lines.take(line));
    if (!places.length) return false;
    const free = (place: Place | undefined, post?: { well: boolean; ms: number }) => {
      if (place) lines.free(place, post);
      room.ring();
    };
    const take = { max: places.length, now: clock.now(), leaseMs: LEASE_MS };
    const claim = await deliveries.claim(one.tenant, one.receiver, take).catch((error: unknown) => {
      log.warn({ ...one, ...describeError(error) }, 'webhook.not_claimed');
    });
    const taken = claim?.deliveries.length ?? 0;
    for (const place of places.splice(taken)) lines.free(place);
    if (!claim || !taken) return false;
    const sent = deliver(sender, one, claim, (post) => free(places.pop(), post))
      .catch((error: unknown) => log.warn({ ...one, ...describeError(error) }, 'webhook.not_delivered'))
      .finally(() => {
        for (const place of places.splice(0)) free(place);
        sending.delete(sent);
      });
    sending.add(sent);
    return true;
  }

  /** @returns whether anything was taken */
  async function sendDue(): Promise<boolean> {
    const ready = await waiting(await tenantsNow());
    const taken = await Promise.all(ready.map((one, i) => send(one, ready.length - i - 1)));
    return taken.includes(true);
  }

  async function keepOn(once: () => Promise<unknown>, bell: Pick<Bell, 'wait'>, signal: AbortSignal): Promise<void> {
    const names = { begun: 'loop.failed', over: 'loop.recovered' };
    const trouble = createTroubleLog(log, names, { fields: { loop: once.name } });
    while (!signal.aborted) {
      await once().then(trouble.over, trouble.happened);
      await sleep(GATHER_MS);
      await bell.wait(LOOK_MS, signal);
    }
  }

  return {
    round: async () => {
      await readNews();
      await reading.idle();
      const taken = await sendDue();
      return taken || news.isPending();
    },
    // Side by side: a log that is long, or whose archive does not answer, holds up nothing that is due.
    run: async (signal) => {
      await Promise.all([keepOn(readNews, news, signal), keepOn(sendDue, room, signal)]);
      news.stop();
      reading.clear();
      await reading.idle();
    },
    idle: async () => {
      while (sending.size) await Promise.all(sending);
    },
  };
}

/** Who there is, asked anew after a while. */
function createTenants({ ledger }: WebhookDeps): () => Promise<Tenant[]> {
  let asked: { at: number; tenants: Promise<Tenant[]> } | undefined;
  return () => {
    if (!asked || performance.now() - asked.at > LOOK_MS) asked = { at: performance.now(), tenants: ledger.tenants() };
    asked.tenants.catch(() => {
      asked = undefined;
    });
    return asked.tenants;
  };
}
