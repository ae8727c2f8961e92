/** Leave to call: shared by all workers, asked before every paid call. */

export type Leave = { granted: true } | { granted: false; retryAfterMs: number; reason: 'rate_limited' | 'parked' };

export type Quota = {
  /** Takes one call out of the allowance of `channel` and `model`, or says how long to wait. */
  take(channel: string, model: string): Promise<Leave>;
  /** Nobody calls `model` on `channel` for `ms`: the provider said so. A shorter pause never cuts a longer one. */
  pause(channel: string, model: string, ms: number, reason: 'rate_limited' | 'parked'): Promise<void>;
  /** How much longer a pause lasts, and why; `undefined` when there is none. */
  paused(channel: string, model: string): Promise<{ ms: number; reason: 'rate_limited' | 'parked' } | undefined>;
  /** Ends a pause. Safe to send twice. @returns whether there was one */
  resume(channel: string, model: string): Promise<boolean>;
};
