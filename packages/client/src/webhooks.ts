/** Endpoints of webhooks, their secrets, and deliveries. */

import type {
  ActionPreview,
  ActionView,
  CreatedEndpointView,
  CreateEndpointInput,
  DeliveryView,
  OwnSecretView,
  ReplayInput,
  RotateSecretInput,
  TestSentView,
  UpdateEndpointInput,
  WebhookEndpointView,
} from '@darkroom/shared/schemas';
import type { Http } from './http.ts';
import { pages } from './pages.ts';

type Options = { signal?: AbortSignal | undefined };
type Submission = Options & { idempotencyKey?: string | undefined };

export type WebhookMethods = {
  /** Has events posted to an address. The secret is in this answer alone. */
  createEndpoint(endpoint: CreateEndpointInput, options?: Submission): Promise<CreatedEndpointView>;
  /** All of them, newest first. */
  listEndpoints(options?: Options): Promise<{ data: WebhookEndpointView[] }>;
  getEndpoint(id: string, options?: Options): Promise<WebhookEndpointView>;
  updateEndpoint(id: string, patch: UpdateEndpointInput, options?: Options): Promise<WebhookEndpointView>;
  deleteEndpoint(id: string, options?: Options): Promise<void>;
  /** A new secret; those before sign along for `overlap`, a day by default. */
  rotateEndpointSecret(id: string, body?: RotateSecretInput, options?: Options): Promise<CreatedEndpointView>;
  /** Has a `webhook_endpoint.test` sent to it. */
  testEndpoint(id: string, options?: Options): Promise<TestSentView>;
  /** Has past events sent to it (again), in the background; with `preview`, only counts them. */
  replayEvents(id: string, replay: ReplayInput, options?: Submission): Promise<ActionView | ActionPreview>;
  /** What verifies that which is sent to the `webhook` of jobs and batches. */
  getWebhookSecret(options?: Options): Promise<OwnSecretView>;
  rotateWebhookSecret(body?: RotateSecretInput, options?: Options): Promise<OwnSecretView>;
  /** To an endpoint, that of the newest event first. Short outages are sat out. */
  deliveries(endpoint: string, options?: Options & { status?: DeliveryView['status'] }): AsyncGenerator<DeliveryView>;
  /** To whom an event was sent. */
  deliveriesOfEvent(event: string, options?: Options): Promise<{ data: DeliveryView[] }>;
  getDelivery(id: string, options?: Options): Promise<DeliveryView>;
  /** Sends it again, under the same `webhook-id`. */
  resendDelivery(id: string, options?: Options): Promise<DeliveryView>;
};

export function webhookMethods(http: Http): WebhookMethods {
  const all = '/v1/webhook-endpoints';
  const endpoint = (id: string) => `${all}/${encodeURIComponent(id)}`;
  const delivery = (id: string) => `/v1/deliveries/${encodeURIComponent(id)}`;
  const post = <T>(path: string, json: unknown, { idempotencyKey, signal }: Submission = {}) =>
    http.json<T>(path, { method: 'POST', json, headers: { 'idempotency-key': idempotencyKey }, signal });
  return {
    createEndpoint: (body, options) => post(all, body, options),
    listEndpoints: (options) => http.json(all, { ...options }),
    getEndpoint: (id, options) => http.json(endpoint(id), { ...options }),
    updateEndpoint: (id, json, options) => http.json(endpoint(id), { method: 'PATCH', json, ...options }),
    deleteEndpoint: async (id, options) => void (await http.send(endpoint(id), { method: 'DELETE', ...options })),
    rotateEndpointSecret: (id, body = {}, options) => post(`${endpoint(id)}/rotate-secret`, body, options),
    testEndpoint: (id, options) => post(`${endpoint(id)}/test`, undefined, options),
    replayEvents: (id, replay, options) => post(`${endpoint(id)}/replay`, replay, options),
    getWebhookSecret: (options) => http.json('/v1/webhook-secret', { ...options }),
    rotateWebhookSecret: (body = {}, options) => post('/v1/webhook-secret/rotate', body, options),
    deliveries: (id, { status, signal } = {}) =>
      pages(http, `${endpoint(id)}/deliveries`, { query: { status }, signal }),
    deliveriesOfEvent: (id, options) => http.json(`/v1/events/${encodeURIComponent(id)}/deliveries`, { ...options }),
    getDelivery: (id, options) => http.json(delivery(id), { ...options }),
    resendDelivery: (id, options) => post(`${delivery(id)}/resend`, undefined, options),
  };
}
