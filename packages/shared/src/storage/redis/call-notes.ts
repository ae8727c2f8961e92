import type { Redis } from 'ioredis';
import type { CallNotes, CallWindow } from '../../ports/index.ts';
import { FAILOVERS_MS, IN_USE_MS } from './alerts.ts';
import { formatCall, slotsOf } from './call-slots.ts';
import { keySpace } from './keys.ts';

type Notes = { calls: Map<string, number>; models: Set<string>; batches: Set<string> };

/**
 * The first note leaves at once; what comes meanwhile shares the next trip. So a quiet worker writes each by itself, and a
 * busy one writes hundreds with one transaction.
 */
export function createRedisCallNotes(options: {
  redis: Redis;
  prefix?: string;
  window: CallWindow;
  onError: (error: unknown) => void;
}): CallNotes {
  const { redis, prefix = '', window, onError } = options;
  const space = keySpace(prefix);
  let waiting = none();
  let running: Promise<void> | undefined;

  const send = async ({ calls, models, batches }: Notes) => {
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
    if (batches.size) {
      trip.zadd(space.failovers, 'NX', ...[...batches].flatMap((id) => [now, id]));
      trip.pexpire(space.failovers, FAILOVERS_MS * 2);
    }
    await trip.exec();
  };
  const run = async () => {
    while (waiting.calls.size || waiting.batches.size) {
      const notes = waiting;
      waiting = none();
      await send(notes).catch(onError);
    }
    running = undefined;
  };
  const start = () => {
    running ??= run();
  };
  return {
    ended: (call) => {
      const field = formatCall(call);
      waiting.calls.set(field, (waiting.calls.get(field) ?? 0) + 1);
      waiting.models.add(call.model);
      start();
    },
    failedOver: (batch) => {
      waiting.batches.add(batch);
      start();
    },
    flush: async () => running,
  };
}

function none(): Notes {
  return { calls: new Map(), models: new Set(), batches: new Set() };
}
