/** Endpoints of webhooks, and deliveries on their way. */

import type { Delivery, DeliveryId, DeliveryStatus } from '../domain/delivery.ts';
import type { Endpoint, EndpointId, OwnGenerations, ReceiverHealth, ReceiverId } from '../domain/endpoint.ts';
import type { EventId, LoggedType } from '../domain/event.ts';
import type { EpochMs, Tenant } from '../domain/job.ts';

/** What happened to an endpoint, told by the same script that changes it. */
export type EndpointNews = Extract<LoggedType, `webhook_endpoint.${string}`>;

export type Endpoints = {
  /** `full` = the tenant has as many as it may. One of that id that is there stays as it is: safe to send twice. */
  create(endpoint: Endpoint): Promise<'created' | 'full'>;
  read(tenant: Tenant, id: EndpointId): Promise<Endpoint | undefined>;
  /** All of the tenant's, newest first: there are few. */
  list(tenant: Tenant): Promise<Endpoint[]>;
  /** Puts `endpoint` in the place of the version before it, and tells `news`. `false` = somebody else changed it meanwhile. */
  write(endpoint: Endpoint, news?: EndpointNews): Promise<boolean>;
  /** Its waiting deliveries are dropped in the background. @see Deliveries.dropRemoved. Safe to send twice. */
  remove(tenant: Tenant, id: EndpointId): Promise<void>;
  /** Tells an event about an endpoint, and nothing else. */
  tell(tenant: Tenant, id: EndpointId, news: EndpointNews): Promise<EventId>;
  /** How receivers answer, in the order asked for; how many deliveries wait for each, and when the first of them is or was due. */
  health(tenant: Tenant, ids: ReceiverId[]): Promise<(ReceiverHealth & { waiting: number; dueAt?: EpochMs })[]>;
  /**
   * Which of the secrets that are derived for addresses that jobs name are the tenant's. Some may be over: whoever reads them
   * looks at the time.
   */
  ownSecrets(tenant: Tenant): Promise<OwnGenerations>;
  /** Puts `generations` in the place of those before the newest of them. `false` = somebody else did meanwhile. Safe to send twice. */
  writeOwnSecrets(tenant: Tenant, generations: OwnGenerations): Promise<boolean>;
};

/** Deliveries that a worker has taken; what is not settled `until` then is due again. */
export type Claim = { deliveries: Delivery[]; health: ReceiverHealth; until: EpochMs };

export type Deliveries = {
  /** How far the tenant's log has been read for deliveries. */
  cursor(tenant: Tenant): Promise<EventId | undefined>;
  /**
   * Makes the deliveries of the events between two places of the log, and moves the cursor from one to the other: both or
   * neither. A delivery that is there already stays as it is, and for an endpoint that is gone none is made. A test goes
   * before what waits, also to a receiver that is paused.
   *
   * @returns `false` when the cursor was not at `from`: somebody else has read on
   */
  fanOut(
    tenant: Tenant,
    step: { from: EventId | undefined; to: EventId; deliveries: Delivery[]; now: EpochMs },
  ): Promise<boolean>;
  /** Receivers that something can be sent to now, the one that waits longest first. */
  ready(tenant: Tenant, now: EpochMs, limit: number): Promise<ReceiverId[]>;
  /** When the next receiver is ready. */
  nextReady(tenant: Tenant): Promise<EpochMs | undefined>;
  /**
   * Takes deliveries that are due, the longest due first, for `leaseMs`: nobody else gets them meanwhile. Of a receiver that is
   * paused it takes none, of one that fails one at a time over all workers.
   */
  claim(tenant: Tenant, receiver: ReceiverId, take: { max: number; now: EpochMs; leaseMs: number }): Promise<Claim>;
  /**
   * Writes what came of tries; a delivery whose claim was over and that somebody else has taken since stays as it is.
   *
   * @param tries as they are now, and what each says of the receiver; `same` = nothing
   * @param rules `until`: of the claim. `pauseMs`: how long the receiver is left alone if the last try failed. `warnAt`: counts
   * of failures in a row that are told as `webhook_endpoint.failing`, each once
   * @returns how the receiver stands after these tries
   */
  settle(
    tenant: Tenant,
    receiver: ReceiverId,
    tries: { delivery: Delivery; health: 'ok' | 'failed' | 'same' }[],
    rules: { until: EpochMs; now: EpochMs; pauseMs: number; warnAt: number[] },
  ): Promise<{ health: ReceiverHealth }>;
  /** In the order asked for. */
  read(tenant: Tenant, ids: DeliveryId[]): Promise<(Delivery | undefined)[]>;
  /** Of one receiver, the newest event first; `before` is the id of a delivery. */
  list(
    tenant: Tenant,
    receiver: ReceiverId,
    query: { status?: DeliveryStatus; before?: DeliveryId; limit: number },
  ): Promise<Delivery[]>;
  /**
   * Makes deliveries of one receiver pending (again) that are not, and those that are not there; none for an endpoint that is
   * gone. `first`: before what waits, also to a receiver that is paused.
   *
   * @returns how many became so
   */
  resend(
    tenant: Tenant,
    receiver: ReceiverId,
    deliveries: Delivery[],
    how: { now: EpochMs; first: boolean },
  ): Promise<number>;
  /** Drops a bounded number of deliveries of endpoints that were removed. @returns whether there may be more */
  dropRemoved(tenant: Tenant): Promise<boolean>;
};
