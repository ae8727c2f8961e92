/** Who may call, and for which tenant. */

import type { Tenant } from '../domain/job.ts';
import type { Scope } from '../schemas/api-key.ts';

/** Who calls. */
export type Caller = { keyId: string; tenant: Tenant; scopes: readonly Scope[] };

export type ApiKeys = {
  /** The caller behind a key, or `undefined`. Takes the same time for a wrong key as for an unknown one. */
  authenticate(secret: string): Promise<Caller | undefined>;
  /** Makes `secret` a key of `tenant`. Safe to send twice. */
  register(secret: string, options: { tenant: Tenant; scopes: readonly Scope[] }): Promise<Caller>;
  /** The key stops working within a second. Safe to send twice. */
  revoke(keyId: string): Promise<void>;
};
