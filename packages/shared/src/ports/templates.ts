/** Versioned templates of a tenant. A version never changes. */

import type { Tenant } from '../domain/job.ts';
import type { Template } from '../domain/template.ts';

export type Templates = {
  /** Adds the next version of `name`. The very same content as the newest version adds nothing. */
  add(tenant: Tenant, template: Omit<Template, 'version'>): Promise<Template>;
  /** @param version the newest when left out */
  find(tenant: Tenant, name: string, version?: number): Promise<Template | undefined>;
  /** The newest version of each. */
  list(tenant: Tenant): Promise<Template[]>;
  /** Forgets every version of `name`, never their numbers: the next one goes on from there. Jobs stay as they are. @returns whether there was one */
  remove(tenant: Tenant, name: string): Promise<boolean>;
};
