/** What becomes of an endpoint that its tenant makes or changes. Pure: time and secrets are arguments. */

import { closeGap, type Endpoint, type OwnGenerations, openGap, wants } from './endpoint.ts';
import { LOGGED_TYPES, type LoggedType } from './event.ts';
import type { EpochMs } from './job.ts';

/** What is absent stays; `null` takes away, of `events` the choice: then it is sent all. */
export type EndpointPatch = {
  url?: string | undefined;
  events?: LoggedType[] | null | undefined;
  description?: string | null | undefined;
  /** By name, encrypted; the others stay. */
  headers?: Record<string, string | null> | undefined;
  enabled?: boolean | undefined;
};

export type NewEndpoint = Pick<Endpoint, 'id' | 'tenant' | 'url' | 'headers'> & {
  /** Sealed. */
  secret: string;
  events?: LoggedType[] | undefined;
  description?: string | undefined;
  enabled: boolean;
};

/** Secrets that sign at one time: each is one more signature in a header. */
const SECRETS_MAX = 5;

/** How long the secrets before sign along, and since when. */
type Overlap = { overlapMs: number; now: EpochMs };

/** As it begins: of what happened before, nothing is sent. */
export function newEndpoint(asked: NewEndpoint, now: EpochMs): Endpoint {
  const { secret, events, description, enabled, ...facts } = asked;
  return {
    ...facts,
    version: 1,
    ...(description && { description }),
    ...(events && { events }),
    secrets: [{ sealed: secret }],
    createdAt: now,
    gaps: [{ from: 0, ...(enabled && { until: now }) }],
    ...(!enabled && { disabled: { reason: 'caller', at: now } }),
  };
}

/** The next version of it. @param readTo how far the log has been read for it */
export function patchEndpoint(endpoint: Endpoint, patch: EndpointPatch, now: EpochMs, readTo: EpochMs = now): Endpoint {
  const { description: _, events: __, ...kept } = endpoint;
  const { url = endpoint.url, headers = {}, enabled = !endpoint.disabled } = patch;
  const description = patch.description === undefined ? endpoint.description : patch.description;
  const events = patch.events === undefined ? endpoint.events : (patch.events ?? undefined);
  const changed = {
    ...kept,
    version: endpoint.version + 1,
    url,
    ...(description && { description }),
    ...(events && { events }),
    headers: merged(endpoint.headers, headers),
  };
  const isWider = LOGGED_TYPES.some((type) => wants(changed, type) && !wants(endpoint, type));
  return switched(isWider ? { ...changed, gaps: [sinceEver(changed, now)] } : changed, enabled, now, readTo);
}

/** Of what it wants now, anything that happened until now may not have been sent. */
function sinceEver({ disabled }: Endpoint, now: EpochMs): Endpoint['gaps'][number] {
  return { from: 0, ...(!disabled && { until: now }) };
}

function merged(before: Record<string, string>, patch: Record<string, string | null>): Record<string, string> {
  const headers = new Map<string, string | null>([...Object.entries(before), ...Object.entries(patch)]);
  return Object.fromEntries([...headers].filter((entry): entry is [string, string] => entry[1] !== null));
}

/** Why it was disabled before its caller did it as well, stays. */
function switched(endpoint: Endpoint, enabled: boolean, now: EpochMs, readTo: EpochMs): Endpoint {
  if (enabled === !endpoint.disabled) return endpoint;
  const { disabled: _, gaps, ...rest } = endpoint;
  if (enabled) return { ...rest, gaps: closeGap(gaps, now) };
  return { ...rest, disabled: { reason: 'caller', at: now }, gaps: openGap(gaps, now, readTo) };
}

/**
 * The next version of it, that a new secret signs for; those before sign along for `overlapMs`, 0 = not at all.
 *
 * @param sealed the new secret
 * @returns `undefined` when as many sign already as may
 */
export function rotateSecret(endpoint: Endpoint, sealed: string, overlap: Overlap): Endpoint | undefined {
  const old = retired(endpoint.secrets, overlap);
  return old && { ...endpoint, version: endpoint.version + 1, secrets: [{ sealed }, ...old] };
}

/** The next secret for addresses that jobs name, by the same rules. @returns `undefined` when as many sign already as may */
export function rotateOwn(generations: OwnGenerations, overlap: Overlap): OwnGenerations | undefined {
  const old = retired(generations, overlap);
  return old && [{ generation: generations[0].generation + 1 }, ...old];
}

/** What signs along beside a new one: for the overlap, or as long as it was to before if that is less. */
function retired<S extends { until?: EpochMs }>(secrets: S[], { overlapMs, now }: Overlap): S[] | undefined {
  const old = secrets
    .map((secret) => ({ ...secret, until: Math.min(secret.until ?? Number.POSITIVE_INFINITY, now + overlapMs) }))
    .filter(({ until }) => until > now);
  return old.length >= SECRETS_MAX ? undefined : old;
}
