/** The body and the answer of `POST /v1/keys`. */

import { z } from 'zod';

export const SCOPES = ['jobs:write', 'jobs:read', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const CreateKeyBody = z
  .strictObject({
    tenant: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 of a-z 0-9 -'),
    scopes: z.array(z.enum(SCOPES)).min(1).default(['jobs:write', 'jobs:read']),
  })
  .meta({ id: 'CreateKey', description: 'A key for a tenant. Nothing is shared between tenants.' });

export const KeyView = z
  .object({
    id: z.string(),
    tenant: z.string(),
    scopes: z.array(z.enum(SCOPES)),
    key: z.string().meta({ description: 'Shown this once; only a hash of it is kept.' }),
  })
  .meta({ id: 'Key' });
