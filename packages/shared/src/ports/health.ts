/** Whether Redis can be trusted with accepted jobs at this moment. */
export type RedisHealth = { ok: true; warnings: readonly string[] } | { ok: false; problems: readonly string[] };
