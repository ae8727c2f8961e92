/** Prices that were told, for as long as they bind. */

import type { EpochMs, Micros, Tenant } from '../domain/job.ts';

export type Quote = {
  id: string;
  /** How many jobs it was asked for. */
  jobs: number;
  /** What all of them together may cost at most when submitted under it. */
  cap: Micros;
  expiresAt: EpochMs;
};

export type Quotes = {
  save(tenant: Tenant, quote: Quote): Promise<void>;
  find(tenant: Tenant, id: string): Promise<Quote | undefined>;
};
