import canonicalize from 'canonicalize';
import type { Redis } from 'ioredis';
import { AppError, type Template } from '../../domain/index.ts';
import type { Templates } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

const TEMPLATES_MAX = 1_000;
const VERSIONS_MAX = 1_000;

/** Where the hash keeps the newest number there ever was; one that was removed holds nothing else. */
const NEWEST = 'n';

/** Templates in Redis, a hash of versions each. @see Templates */
export function createRedisTemplates({ redis, prefix = '' }: { redis: Redis; prefix?: string }): Templates {
  const space = keySpace(prefix);
  const addVersion = loadScript(redis, 'add-template');
  const removeVersions = loadScript(redis, 'remove-template');
  const find: Templates['find'] = async (tenant, name, version) => {
    const versions = space.of(tenant).template(name);
    const wanted = version ?? Number((await redis.hget(versions, NEWEST)) ?? (await redis.hlen(versions)));
    const content = await redis.hget(versions, String(wanted));
    return content ? { ...parseContent(content), version: wanted } : undefined;
  };

  return {
    add: async (tenant, template) => {
      const keys = space.of(tenant);
      const content = canonicalize(template) ?? '';
      const args = [template.name, content, TEMPLATES_MAX, VERSIONS_MAX];
      const version = (await addVersion([keys.template(template.name), keys.templates], args)) as number;
      if (version > 0) return { ...template, version };
      const most = version === -1 ? `${TEMPLATES_MAX} templates` : `${VERSIONS_MAX} versions of ${template.name}`;
      throw new AppError('conflict', { message: `There are ${most} already.`, fix: 'Delete one that is not used.' });
    },
    find,
    list: async (tenant) => {
      const names = await redis.smembers(space.of(tenant).templates);
      const newest = await Promise.all(names.toSorted().map((name) => find(tenant, name)));
      return newest.filter((template) => template !== undefined);
    },
    remove: async (tenant, name) => {
      const keys = space.of(tenant);
      return (await removeVersions([keys.template(name), keys.templates], [name])) === 1;
    },
  };
}

/** Written by this program from this very type. */
function parseContent(content: string): Omit<Template, 'version'> {
  return JSON.parse(content) as Omit<Template, 'version'>;
}
