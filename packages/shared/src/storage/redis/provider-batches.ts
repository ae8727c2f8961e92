import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { ProviderBatch, ProviderBatchMember } from '../../domain/index.ts';
import type { PatchNote, ProviderBatches } from '../../ports/index.ts';
import { keySpace } from './keys.ts';
import { loadScript } from './scripts.ts';

/** A closed chunk stays in Redis this long; its record rests in the object store. */
const KEPT_MS = 7 * 86_400_000;
/** Between two turns, however often they are called for: batches that end together call together. */
const CALL_GAP_MS = 5_000;
/** Until then the turn comes by itself. Longer than a signed message may be sent again. */
const CALL_KEPT_MS = 3_600_000;
/** Longer than any account is parked. */
const PARKED_KEPT_MS = 86_400_000;
/** How much one harvest counts against all before it. */
const NEWS = 0.3;

/** The chunks of all models under one hash tag: there are at most some hundred open ones. @see ProviderBatches */
export function createRedisProviderBatches(options: { redis: Redis; prefix?: string }): ProviderBatches {
  const { redis, prefix = '' } = options;
  const space = keySpace(prefix);
  const write = loadScript(redis, 'write-provider-batch');
  const claim = loadScript(redis, 'claim');
  const takeTurn = loadScript(redis, 'take-turn');
  const callTurn = loadScript(redis, 'call-turn');
  const put = async (batch: ProviderBatch, from: number, members?: ProviderBatchMember[]) => {
    const keys = [space.providerBatch(batch.id), space.openProviderBatches];
    const due = batch.state === 'closed' ? '' : batch.dueAt;
    const listed = members ? formatMembers(members) : 'keep';
    const document = JSON.stringify(batch);
    return (await write(keys, [batch.id, from, batch.version, document, due, listed, KEPT_MS, newToken()])) === 1;
  };
  const read = async (id: string) => parseBatch(await redis.hget(space.providerBatch(id), 'd'));
  return {
    plan: (batch, members) => put(batch, 0, members),
    read,
    members: async (id) => parseMembers(await redis.hget(space.providerBatch(id), 'm')),
    seal: (batch, members) => put(batch, batch.version - 1, members),
    write: (batch) => put(batch, batch.version - 1),
    expectStrays: async ({ id, createdAt }, until) => {
      await redis.zadd(space.expectedStrays, until, `${createdAt}:${id}`);
    },
    straysSince: async (now) => {
      await redis.zremrangebyscore(space.expectedStrays, '-inf', now);
      const expected = await redis.zrange(space.expectedStrays, '0', '-1');
      return expected.length ? Math.min(...expected.map((member) => Number.parseInt(member, 10))) : undefined;
    },
    due: (now, limit) => redis.zrangebyscore(space.openProviderBatches, '-inf', now, 'LIMIT', 0, limit),
    open: async () => {
      const ids = await redis.zrange(space.openProviderBatches, '0', '-1');
      const found = await Promise.all(ids.map(read));
      return found.filter((batch) => batch !== undefined);
    },
    hold: async (id, ms) => {
      const key = space.providerBatchClaim(id);
      const token = newToken();
      if (!(await redis.set(key, token, 'PX', ms, 'NX'))) return undefined;
      const renew = () => void claim([key], [token, ms]).catch(() => undefined); // The next one may get through.
      const timer = setInterval(renew, ms / 3);
      return {
        [Symbol.asyncDispose]: async () => {
          clearInterval(timer);
          await claim([key], [token, 0]);
        },
      };
    },
    takeTurn: async (turn, ms) => {
      const keys = [space.providerBatchClaim(turn), space.turnCall(turn)];
      return (await takeTurn(keys, [Math.max(1, Math.ceil(ms)), CALL_GAP_MS])) === 1;
    },
    callTurn: async (turn, cause) => {
      await callTurn([space.turnCall(turn), space.turnCause(turn, cause)], [CALL_KEPT_MS]);
    },
    park: async (place, until) => {
      const key = space.parkedAccount(place);
      // Two refusals at once: either end of the wait will do, and the next refusal sets it right.
      if (until > Number(await redis.get(key))) await redis.set(key, until, 'PX', PARKED_KEPT_MS);
    },
    parkedUntil: async (place) => Number(await redis.get(space.parkedAccount(place))),
    notePatch: async (chunks) => {
      if (chunks.length) await redis.sadd(space.patchedProviderBatches, ...chunks.map((id) => `${id}~${newToken()}`));
    },
    patched: async () => (await redis.smembers(space.patchedProviderBatches)).map(parseNote),
    patchDone: async (notes) => {
      const members = notes.map(({ chunk, note }) => `${chunk}~${note}`);
      if (members.length) await redis.srem(space.patchedProviderBatches, ...members);
    },
    lineBytes: async (model) => {
      const fields = await redis.hgetall(space.lineBytes(model));
      return new Map(Object.entries(fields).map(([size, bytes]) => [size, Number(bytes)]));
    },
    learnLineBytes: async (model, found) => {
      const key = space.lineBytes(model);
      for (const [size, bytes] of found) {
        const known = await redis.hget(key, size);
        // Two harvests at once may lose one lesson, which the next one teaches again.
        const average = known === null ? bytes : Number(known) + NEWS * (bytes - Number(known));
        await redis.hset(key, size, Math.ceil(average));
      }
    },
  };
}

function newToken(): string {
  return randomBytes(12).toString('base64url');
}

function parseNote(member: string): PatchNote {
  const [chunk = '', note = ''] = member.split('~');
  return { chunk, note };
}

/** Written by this program from these very types; the record is not an edge. */
function parseBatch(text: string | null): ProviderBatch | undefined {
  return text === null ? undefined : (JSON.parse(text) as ProviderBatch);
}

/** Four fields a member, by tabs: at a thousand members a chunk, names of fields would weigh more than what they name. */
function formatMembers(members: ProviderBatchMember[]): string {
  return members.map(({ tenant, job, attempt, version }) => [tenant, job, attempt, version].join('\t')).join('\n');
}

function parseMembers(text: string | null): ProviderBatchMember[] {
  if (!text) return [];
  return text.split('\n').map((line) => {
    const [tenant = '', job = '', attempt = '', version = ''] = line.split('\t');
    return { tenant, job, attempt, version: Number(version) };
  });
}
