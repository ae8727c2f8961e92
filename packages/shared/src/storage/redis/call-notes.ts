import type { Redis } from 'ioredis';
import type { CallNotes, CallWindow } from '../../ports/index.ts';
import { FAILOVERS_MS, IN_USE_MS } from './alerts.ts';
import { formatCall, slotsOf } from './call-slots.ts';
import { keySpace } from './keys.ts';

type Notes = { calls: Map<string, number>; models: Set<string>; failovers: Set<string> };

/** What is noted within this shares a trip: so it costs a worker a trip a second at most, and a dead one its last second. */
const GATHER_MS = 1_000;
/** However many jobs leave a place within this, it is one fail-over: a burst of errors is one event. */
const FAILOVER_SLOT_MS = 600_000;

/** One transaction for all that was gathered, and never two at a time. @see CallNotes */
export function createRedisCallNotes(options: {
  redis: Redis;
  prefix?: string;
  window: CallWindow;
  onError: (error: unknown) => void;
}): CallNotes {
  const { redis, prefix = '', window, onError } = options;
  const space = keySpace(prefix);
  let waiting = none();
  let gathering: PromiseWithResolvers<void> | undefined;
  let sent = Promise.resolve();

  const send = async ({ calls, models, failovers }: Notes) => {
    const now = window.now();
    const trip = redis.multi();
    if (calls.size) {
      const { keys, ttlMs } = slotsOf(space, window);
      const [slot = ''] = keys;
      for (const [field, count] of calls) trip.hincrby(slot, field, count);
      trip.pexpire(slot, ttlMs);
      trip
        .zadd(space.modelsInUse, ...[...models].flatMap((model) => [now, model]))
        .pexpire(space.modelsInUse, IN_USE_MS);
    }
    if (failovers.size) {
      trip.zadd(space.failovers, 'NX', ...[...failovers].flatMap((id) => [now, id]));
      trip.pexpire(space.failovers, FAILOVERS_MS * 2);
    }
    await trip.exec();
  };
  const gathered = async () => {
    const notes = waiting;
    waiting = none();
    gathering = undefined;
    await send(notes).catch(onError);
  };
  const gather = () => {
    if (gathering) return;
    const { promise, resolve } = (gathering = Promise.withResolvers<void>());
    setTimeout(resolve, GATHER_MS).unref();
    sent = sent.then(() => promise).then(gathered);
  };
  return {
    ended: (call) => {
      const field = formatCall(call);
      waiting.calls.set(field, (waiting.calls.get(field) ?? 0) + 1);
      waiting.models.add(call.model);
      gather();
    },
    failedOver: (from) => {
      const slot = Math.floor(window.now() / FAILOVER_SLOT_MS);
      waiting.failovers.add(typeof from === 'string' ? from : `${from.channel}/${from.model}/${slot}`);
      gather();
    },
    flush: async () => {
      gathering?.resolve();
      await sent;
    },
  };
}

function none(): Notes {
  return { calls: new Map(), models: new Set(), failovers: new Set() };
}
