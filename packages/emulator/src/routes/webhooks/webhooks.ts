/** Registers, shows, lists, changes and deletes webhooks, tries them, and gives them new secrets. */
import { z } from 'zod';
import { timestamp } from '../../clock.ts';
import { readJson } from '../../http/body.ts';
import { ENTITY_NOT_FOUND, GoogleError, invalidArgument } from '../../http/google-error.ts';
import { pageOf } from '../../page.ts';
import { type Fields, readMessage } from '../../request/message.ts';
import type { Endpoint } from '../../webhooks/endpoint-store.ts';
import { answerJson, type Call } from '../call.ts';

const FIELDS: Fields = {
  name: { type: 'string' },
  uri: { type: 'string' },
  subscribedEvents: { type: 'repeated', of: { type: 'string' } },
  state: { type: 'string' },
};
const STATES = ['enabled', 'disabled', 'disabled_due_to_failed_deliveries'] as const;
const Change = z.object({
  name: z.string().max(200).optional(),
  uri: z.url({ protocol: /^https?$/ }).optional(),
  subscribedEvents: z.array(z.string()).min(1).max(20).optional(),
  state: z.string().toLowerCase().pipe(z.enum(STATES)).optional(),
});
type Change = z.infer<typeof Change>;

const EVENT = /^(batch\.(succeeded|failed|expired|cancelled)|interaction\.\w+|video\.generated)$/;
const DAY_MS = 24 * 3_600_000;

/** Its answer is the only one that shows the secret. */
export async function createWebhook(call: Call): Promise<void> {
  const { name = '', uri, subscribedEvents: events } = await readChange(call);
  if (uri === undefined || events === undefined) {
    throw new GoogleError(invalidArgument('* CreateWebhookRequest.webhook: uri and subscribed_events must be set.\n'));
  }
  const endpoint = call.world.endpoints.add({ project: call.project, name, uri, events });
  if (!endpoint) throw new GoogleError(invalidArgument('The project has too many webhooks.'));
  await answerJson(call, { ...toView(endpoint), new_signing_secret: endpoint.secrets[0]?.secret });
}

export async function getWebhook(call: Call): Promise<void> {
  await answerJson(call, toView(endpointOf(call)));
}

export async function listWebhooks(call: Call): Promise<void> {
  const { items, nextPageToken } = pageOf(call.world.endpoints.list(call.project), call.url.searchParams);
  await answerJson(call, {
    ...(items.length > 0 && { webhooks: items.map(toView) }),
    ...(nextPageToken && { next_page_token: nextPageToken }),
  });
}

export async function updateWebhook(call: Call): Promise<void> {
  const endpoint = endpointOf(call);
  const { name, uri, subscribedEvents: events, state } = await readChange(call);
  const change = { name, uri, events, state };
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  call.world.endpoints.update(endpoint, Object.fromEntries(given));
  await answerJson(call, toView(endpoint));
}

export async function deleteWebhook(call: Call): Promise<void> {
  call.world.endpoints.remove(endpointOf(call));
  await answerJson(call, {});
}

export async function pingWebhook(call: Call): Promise<void> {
  call.world.webhooks.ping(endpointOf(call));
  await answerJson(call, {});
}

/** Those before the new secret stay valid for a day, if they are not revoked at once. */
export async function rotateSecret(call: Call): Promise<void> {
  const endpoint = endpointOf(call);
  const fields: Fields = { revocationBehavior: { type: 'string' } };
  const { revocationBehavior = '' } = readMessage(await readJson(call.request), fields) as Record<string, string>;
  const atOnce = revocationBehavior.toLowerCase() === 'revoke_previous_secrets_immediately';
  const { clock, endpoints } = call.world;
  await answerJson(call, { secret: endpoints.rotate(endpoint, clock.now() + (atOnce ? 0 : DAY_MS)) });
}

/** The public key of what is sent to addresses that came with a batch. */
export async function jwks(call: Call): Promise<void> {
  await answerJson(call, call.world.tokens.jwks());
}

async function readChange(call: Call): Promise<Change> {
  const parsed = Change.safeParse(readMessage(await readJson(call.request), FIELDS));
  if (!parsed.success) throw new GoogleError(invalidArgument(`Invalid webhook: ${z.prettifyError(parsed.error)}`));
  const unknown = parsed.data.subscribedEvents?.find((event) => !EVENT.test(event));
  if (unknown !== undefined) throw new GoogleError(invalidArgument(`Invalid webhook: unknown event "${unknown}"`));
  return parsed.data;
}

function endpointOf(call: Call): Endpoint {
  const endpoint = call.world.endpoints.get(call.params['webhook'] ?? '', call.project);
  if (!endpoint) throw new GoogleError(ENTITY_NOT_FOUND);
  return endpoint;
}

function toView(endpoint: Endpoint): Record<string, unknown> {
  const { id, name, uri, events, state, secrets, createdAt, updatedAt } = endpoint;
  return {
    id,
    ...(name && { name }),
    uri,
    subscribed_events: events,
    state,
    signing_secrets: secrets.map(({ secret, expiresAt }) => ({
      truncated_secret: `${secret.slice(0, SHOWN)}…`,
      ...(expiresAt !== undefined && { expire_time: timestamp(expiresAt) }),
    })),
    create_time: timestamp(createdAt),
    update_time: timestamp(updatedAt),
  };
}

/** Letters of a secret that are shown again. */
const SHOWN = 10;
