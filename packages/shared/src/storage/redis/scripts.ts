import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

export type ScriptArg = string | number | Buffer;
export type Script = (keys: string[], args: ScriptArg[]) => Promise<unknown>;

/**
 * Loads `scripts/NAME.lua`; it is sent by its hash, and in full when the server does not know it (yet, or any more).
 *
 * @param parts scripts with functions that it uses
 */
export function loadScript(redis: Redis, name: string, ...parts: string[]): Script {
  const read = (file: string) => readFileSync(new URL(`./scripts/${file}.lua`, import.meta.url), 'utf8');
  const lua = [...parts, name].map(read).join('');
  const sha = createHash('sha1').update(lua).digest('hex');
  return async (keys, args) => {
    try {
      return await redis.evalsha(sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(lua, keys.length, ...keys, ...args);
    }
  };
}
