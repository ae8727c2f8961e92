/** Jobs straight into the ledger and the queue, without an API in between. */

import { randomUUIDv7 } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readChannels } from '@darkroom/shared/config';
import { idFrom } from '@darkroom/shared/domain';
import { systemClock } from '@darkroom/shared/ports';
import { createWakeQueue } from '@darkroom/shared/queue/bullmq';
import { parse, SubmitJobBody } from '@darkroom/shared/schemas';
import { openStore } from '@darkroom/shared/storage';
import {
  createRedisLatency,
  createRedisLedger,
  createRedisLines,
  createRedisQuotes,
  openRequestRedis,
} from '@darkroom/shared/storage/redis';
import { createOutbox, submitJob } from '@darkroom/shared/usecases';
import { spooledIn } from '../../support/spooled.ts';
import { jobBody } from './body.ts';
import type { Stand } from './stand.ts';

const TENANT = 'default';
const PATIENCE_MS = 120_000;

export type Submitter = {
  /** Submits `count` jobs; resolves when all have succeeded and the worker has put away everything of theirs. */
  finish(count: number): Promise<void>;
};

export async function createSubmitter({ redisUrl, folder }: Stand): Promise<Submitter> {
  const redis = await openRequestRedis(redisUrl);
  const ledger = createRedisLedger({ redis });
  const clock = systemClock;
  const configured = readChannels({ env: {}, cwd: folder, credentials: 'leave' });
  const queue = createWakeQueue({
    redis: await openRequestRedis(redisUrl),
    lines: createRedisLines({ redis }),
    channels: configured.channels,
  });
  const failures: unknown[] = [];
  const outbox = createOutbox({ ledger, queue, clock, onError: (error) => failures.push(error) });
  const store = await openStore(`file:${join(folder, 'objects')}`, {
    publicUrl: 'http://127.0.0.1',
    signingKey: Buffer.from('a secret of the bench that is long enough'),
    clock,
  });
  const deps = {
    ledger,
    store,
    outbox,
    quotes: createRedisQuotes({ redis }),
    latency: createRedisLatency({ redis, now: () => clock.now() }),
    channels: configured,
    clock,
    newJobId: () => idFrom('job', randomUUIDv7()),
    resolveReferences: async () => [],
    checkUrl: async () => undefined,
    deadlineMs: 3_600_000,
  };
  await redis.sadd('tenants', TENANT);
  let submitted = 0;

  return {
    finish: async (count) => {
      for (let n = 0; n < count; n++) {
        const body = parse(SubmitJobBody, JSON.parse(jobBody(`image ${submitted++}`)));
        await submitJob(deps, { tenant: TENANT, body });
      }
      await until(async () => {
        if (failures.length) throw failures[0];
        const { succeeded, failed } = await ledger.countByStatus(TENANT);
        if (failed) throw new Error(`${failed} jobs failed`);
        return succeeded === submitted && (await spooledIn(join(folder, 'spool'))).length === 0;
      });
    },
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('the jobs did not end in time');
    await sleep(20);
  }
}
