/** The bodies and the answers of `/v1/keys`. */

import { z } from 'zod';

export const SCOPES = ['jobs:write', 'jobs:read', 'webhooks:write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const TENANT_NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const CreateKeyBody = z
  .strictObject({
    tenant: z
      .string()
      .regex(TENANT_NAME, 'must be 1 to 63 of a-z 0-9 -')
      .meta({ description: 'Whose jobs it sees; a new name makes a new tenant.', examples: ['acme'] }),
    scopes: z.array(z.enum(SCOPES)).min(1).default(['jobs:write', 'jobs:read']).meta({
      description:
        'What it may do. `webhooks:write` says who is told of everything, so no key has it unasked; `admin` makes keys, and sees figures of every tenant.',
    }),
  })
  .meta({ id: 'CreateKey', description: 'A key for a tenant. Nothing is shared between tenants.' });

export const KeyView = z
  .object({
    id: z.string().meta({ examples: ['key_5f0c1e9a7b3d2468'] }),
    tenant: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    created_at: z.string().optional().meta({ format: 'date-time', description: 'Absent on keys of an earlier time.' }),
  })
  .meta({ id: 'Key', description: 'A key without its secret, of which only a hash is kept.' });
export type KeyView = z.output<typeof KeyView>;

export const CreatedKeyView = KeyView.extend({
  key: z.string().meta({ description: 'Shown this once; only a hash of it is kept.' }),
}).meta({ id: 'CreatedKey', description: 'A new key.' });

export const KeyList = z
  .object({ data: z.array(KeyView), has_more: z.boolean(), next_cursor: z.string().optional() })
  .meta({ id: 'KeyList' });

export const ListKeysQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Keys in a page.' }),
  after: z.string().max(512).optional().meta({ description: 'The `next_cursor` of the page before.' }),
});
