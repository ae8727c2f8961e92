import { expect, it } from 'vitest';
import { runChaos, SHORT } from '../support/chaos.ts';
import { startPrivateRedis } from '../support/redis.ts';

const WAYS = [
  ['one channel', {}],
  ['three channels, with a second call beside each slow one', { channels: true }],
] as const;

it.each(WAYS)(
  'loses no job and pays for nothing it cannot explain while everything around it dies: %s',
  {
    timeout: 120_000,
  },
  async (_, way) => {
    await using redis = await startPrivateRedis();
    const told: string[] = [];

    const figures = await runChaos({ ...SHORT, ...way, seed: 1 }, redis, (line) => told.push(line)).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${told.join('\n')}`);
      },
    );

    expect(figures.jobs).toBe(SHORT.jobs);
    for (const { billed, settled, unsettled } of figures.bills) expect(billed).toBe(settled + unsettled);
    expect(told.join('\n')).toMatch(/SIGKILL worker[^]*storage away|storage away[^]*SIGKILL worker/);
  },
);
