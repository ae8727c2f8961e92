/** Who may call, and for which tenant. */

import type { EpochMs, Tenant } from '../domain/job.ts';
import type { Scope } from '../schemas/api-key.ts';

/** Who calls; the id is `key_…`. */
export type Caller = { keyId: string; tenant: Tenant; scopes: readonly Scope[] };

/** A key as it may be shown: never its secret. Keys of an earlier time do not say since when they are. */
export type ApiKey = Caller & { createdAt?: EpochMs };

export type ApiKeys = {
  /** The caller behind a key, or `undefined`. Takes the same time for a wrong key as for an unknown one. */
  authenticate(secret: string): Promise<Caller | undefined>;
  /** Makes `secret` a key of `tenant`. Safe to send twice. */
  register(secret: string, options: { tenant: Tenant; scopes: readonly Scope[] }): Promise<ApiKey>;
  /** Whether the key was good when it last called here; asks nobody. */
  isFamiliar(secret: string): boolean;
  /**
   * Keys of every tenant, newest first. A page may hold fewer than `limit` and still not be the last.
   *
   * @throws AppError `invalid_request` for an `after` that no page gave
   */
  list(page: { limit: number; after?: string }): Promise<{ keys: ApiKey[]; nextCursor?: string }>;
  /** The key stops working within a second. Safe to send twice. */
  revoke(keyId: string): Promise<void>;
};
