/** A worker of its own, with a clock of its own: takes leave for calls as fast as it can, and says what it was told. */

import process from 'node:process';
import { createRedisQuotas } from '@darkroom/shared/storage/redis';
import { Redis } from 'ioredis';

const [url = '', prefix = '', name = '', count = '0'] = process.argv.slice(2);
const redis = new Redis(url);
const quotas = createRedisQuotas({
  redis,
  prefix,
  limitsOf: () => ({ model: { day: 'pacific', requestsPerMinute: 20, requestsPerDay: 25 }, channel: {} }),
});
const place = { channel: 'gemini-a', model: 'pro' };
const ids = Array.from({ length: Number(count) }, (_, n) => `${name}-${n}`);
const leaves = await Promise.all(ids.map((id) => quotas.take(place, id, { tokens: 1, images: 1, cost: 1 })));
await quotas.learn(place, { type: 'pause', ms: 'day_end', reason: 'parked', why: 'the day is used up' });
const [state] = await quotas.look([place]);
process.stdout.write(JSON.stringify({ clock: Date.now(), leaves, until: state?.pause?.until }));
redis.disconnect();
