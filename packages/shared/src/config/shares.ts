/** What the channels file says of those who share the channels. Names are callers' own: what every object has is not theirs. */

import type { Tenant } from '../domain/index.ts';
import type { KeyBounds, Share } from '../ports/index.ts';
import type { ChannelsConfig } from './channels.ts';

/** Who is not named has weight 1 and no bounds. */
export function shareOf({ tenants }: Pick<ChannelsConfig, 'tenants'>, tenant: Tenant): Share {
  return (Object.hasOwn(tenants, tenant) && tenants[tenant]) || { weight: 1 };
}

/** Empty for a key without bounds. @param keyId `key_…` */
export function keyBoundsOf({ keys }: Pick<ChannelsConfig, 'keys'>, keyId: string): KeyBounds {
  return (Object.hasOwn(keys, keyId) && keys[keyId]) || {};
}
