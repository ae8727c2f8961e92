/** Whether Redis can be trusted with accepted jobs at this moment. */
export type RedisHealth = { ok: true; warnings: readonly string[] } | { ok: false; problems: readonly string[] };

/** Redis as one look finds it; `server` when it answers. `skewMs` = how far this machine's clock is ahead of its. */
export type RedisFacts = {
  health: RedisHealth;
  server?: { version: string; persistence: string; policy: string; latencyMs: number; skewMs: number };
};
