import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Credential } from './channel-connection.ts';
import { whyUnreadable } from './channels-unreadable.ts';
import { ConfigError, Secret } from './env.ts';

const BYTES_MAX = 65_536;

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Where a secret lies, to be looked up when it is needed.
 *
 * @param reference `env:NAME`, or `file:PATH` with a path from `folder`
 * @param place for messages, such as `darkroom.config.yaml:7: channels[0].credentials.api_key`
 */
export function credentialOf(reference: string, from: { env: Env; folder: string; place: string }): Credential {
  return {
    reference,
    read: () => {
      const found = lookUp(reference, from);
      if ('secret' in found) return new Secret(found.secret);
      throw new ConfigError([`${from.place} ${found.missing}`]);
    },
  };
}

/** Why there is no secret where `reference` says, and what to do; nothing when there is one. */
export function whatIsMissing(reference: string, from: { env: Env; folder: string }): string | undefined {
  const found = lookUp(reference, from);
  return 'missing' in found ? found.missing : undefined;
}

function lookUp(
  reference: string,
  { env, folder }: { env: Env; folder: string },
): { secret: string } | { missing: string } {
  const name = reference.slice(reference.indexOf(':') + 1);
  if (reference.startsWith('env:')) {
    const secret = env[name];
    return secret ? { secret } : { missing: `names the variable ${name}, which is not set: set it for this program` };
  }
  const path = resolve(folder, name);
  try {
    if (statSync(path).size > BYTES_MAX)
      return { missing: `names the file ${path}, which is too large for a secret: name one that holds nothing else` };
    const secret = readFileSync(path, 'utf8').trim();
    return secret ? { secret } : { missing: `names the file ${path}, which is empty: put the secret there` };
  } catch (error) {
    return { missing: `names the file ${path}, which ${whyUnreadable(error)}` };
  }
}
