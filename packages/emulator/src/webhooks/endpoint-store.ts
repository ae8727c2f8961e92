/** The webhooks that projects registered, with the secrets that sign what is sent to them. */
import type { Clock } from '../clock.ts';
import { letters } from '../ids.ts';
import { newSecret } from './sign.ts';

type EndpointState = 'enabled' | 'disabled' | 'disabled_due_to_failed_deliveries';

export type Endpoint = {
  /** Grows with each endpoint. */
  n: number;
  id: string;
  project: string;
  name: string;
  uri: string;
  events: string[];
  state: EndpointState;
  /** Newest first. */
  secrets: { secret: string; expiresAt: number | undefined }[];
  createdAt: number;
  updatedAt: number;
};

export type EndpointStore = {
  /** `undefined` = the project has as many as it may. */
  add(given: Pick<Endpoint, 'project' | 'name' | 'uri' | 'events'>): Endpoint | undefined;
  get(id: string, project: string): Endpoint | undefined;
  /** Oldest first. */
  list(project: string): Endpoint[];
  update(endpoint: Endpoint, change: Partial<Pick<Endpoint, 'name' | 'uri' | 'events' | 'state'>>): void;
  remove(endpoint: Endpoint): void;
  /** A new secret; those before it are valid until `expiresAt`. */
  rotate(endpoint: Endpoint, expiresAt: number): string;
  /** The secrets that are valid. */
  secretsOf(endpoint: Endpoint): string[];
};

const PER_PROJECT_MAX = 100;
const ID_LENGTH = 20;

export function createEndpointStore(seed: string, clock: Clock): EndpointStore {
  const endpoints = new Map<string, Endpoint>();
  let last = 0;
  const list = (project: string) => [...endpoints.values()].filter((endpoint) => endpoint.project === project);
  const valid = ({ secrets }: Endpoint) =>
    secrets.filter(({ expiresAt }) => expiresAt === undefined || expiresAt > clock.now());

  return {
    add(given) {
      if (list(given.project).length >= PER_PROJECT_MAX) return undefined;
      last += 1;
      const now = clock.now();
      const id = letters(ID_LENGTH, seed, 'webhook', last);
      const secrets = [{ secret: newSecret(), expiresAt: undefined }];
      const endpoint: Endpoint = { ...given, n: last, id, state: 'enabled', secrets, createdAt: now, updatedAt: now };
      endpoints.set(id, endpoint);
      return endpoint;
    },
    get(id, project) {
      const endpoint = endpoints.get(id);
      return endpoint?.project === project ? endpoint : undefined;
    },
    list,
    update: (endpoint, change) => Object.assign(endpoint, change, { updatedAt: clock.now() }),
    remove: ({ id }) => endpoints.delete(id),
    rotate(endpoint, expiresAt) {
      const secret = newSecret();
      const before = valid(endpoint).map((old) => ({
        ...old,
        expiresAt: Math.min(old.expiresAt ?? expiresAt, expiresAt),
      }));
      endpoint.secrets = [{ secret, expiresAt: undefined }, ...before];
      endpoint.updatedAt = clock.now();
      return secret;
    },
    secretsOf: (endpoint) => valid(endpoint).map(({ secret }) => secret),
  };
}
