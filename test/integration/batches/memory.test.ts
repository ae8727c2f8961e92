import { createRedisPool } from '@darkroom/shared/storage/redis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestBatches, type TestBatches } from '../../support/batches.ts';

const ROWS = 1_000;
const BYTES_MAX = 1_024;

let test: TestBatches;
beforeAll(async () => {
  test = await openTestBatches();
});
afterAll(() => test[Symbol.asyncDispose]());

const WORDS =
  'studio catalogue photograph ceramic walnut brushed steel matte linen cushion lamp teapot armchair bookshelf rug vase mirror against plain seamless backdrop soft daylight from the left gentle shadow three quarter view centred with generous margin true colour fine texture visible no text no logo no people'.split(
    ' ',
  );

/** 300 characters that no other row has: words in an order of their own, with a name and numbers between. */
function aPrompt(n: number): string {
  let seed = n * 2_654_435_761;
  const next = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed;
  };
  let text = `SKU ${n.toString(36)}-${next().toString(36)}:`;
  while (text.length < 300) text += ` ${WORDS[(next() >> 8) % WORDS.length]}`;
  return text.slice(0, 300);
}

async function bytesOfAllKeys(): Promise<Record<string, number>> {
  const bytes: Record<string, number> = {};
  for await (const page of test.redis.scanStream({ match: `${test.prefix}*`, count: 1_000 })) {
    for (const key of page as string[]) {
      const kind = key.slice(test.prefix.length).replace(/:(job|fp):.*/, ':$1');
      bytes[kind] = (bytes[kind] ?? 0) + Number(await test.redis.memory('USAGE', key, 'SAMPLES', 0));
    }
  }
  return bytes;
}

it('takes at most 1 kB of Redis for a waiting row of a 300-character prompt, all keys counted', async () => {
  const rows = Array.from({ length: ROWS }, (_, n) => ({ key: `SKU-${100_000 + n}`, request: { prompt: aPrompt(n) } }));
  const batch = await test.accept(rows, { route: { lane: 'batch', reason: 'asked for' }, canaryRows: 0 });
  await test.settle(batch.id);
  const bytesPerRow = async () => {
    const bytes = await bytesOfAllKeys();
    return Object.values(bytes).reduce((sum, one) => sum + one, 0) / ROWS;
  };

  expect(await bytesPerRow()).toBeLessThanOrEqual(BYTES_MAX);

  // And once it is noted that it can leave the lane, as most rows can.
  const pool = createRedisPool({ redis: test.redis, prefix: test.prefix });
  const [model = ''] = await pool.models();
  await pool.weighed(model, { leaving: await pool.peek(model, 0, ROWS), staying: [] });
  expect(await pool.newcomers(model, 1)).toEqual([]);
  expect(await bytesPerRow()).toBeLessThanOrEqual(BYTES_MAX);
});
