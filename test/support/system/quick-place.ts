/** What is slow, a place tells once it has figures. */

import { randomUUID } from 'node:crypto';
import type { Place } from '@darkroom/shared/domain';
import { createRedisBreakers } from '@darkroom/shared/storage/redis';
import type { Redis } from 'ioredis';

/** More than all calls of a test together, so that these decide. */
const CALLS = 400;
/** Longer than a look at the channels is kept: the one at the others is a new one. */
const QUICK_MS = 400;

/** As if the place had lately answered many calls in so many ms. */
export async function wasQuick(system: { redis: Redis; prefix: string }, place: Place, ms = QUICK_MS): Promise<void> {
  const breakers = createRedisBreakers(system);
  const one = () => breakers.note(place, `att_${randomUUID()}`, 'ok', { ms });
  await Promise.all(Array.from({ length: CALLS }, one));
}
