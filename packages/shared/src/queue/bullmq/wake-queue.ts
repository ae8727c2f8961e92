import { hash } from 'node:crypto';
import { type JobsOptions, Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { type ChannelSpec, lineStandingOf } from '../../domain/index.ts';
import type { Lines, WakeMessage, WakeQueue } from '../../ports/index.ts';
import { queueName, queuePrefix } from './names.ts';

/** What a message carries: tenant and id of the job, and nothing that could be lost or leak. */
export type WakeData = [tenant: string, id: string];

/** Of the digest that names a message: 96 bits, so no two of a queue's ever meet. */
const NAME_CHARACTERS = 16;

/** Messages of one `addBulk`: small enough that a batch never holds Redis for long. */
const BULK = 200;

export type WakeQueueOptions = {
  /** A connection of its own: BullMQ defines some 60 commands on it. */
  redis: Redis;
  prefix?: string;
  /** Where jobs stand that are due. */
  lines: Pick<Lines, 'add' | 'addLater'>;
  /** Those that there are: which of them could carry a job says in which line it stands. */
  channels: readonly ChannelSpec[];
};

/**
 * BullMQ as a bell: a message says that one more job waits, and the lines say which is next.
 *
 * A job stands in line before its message is sent: were it the other way round, a worker could come, find nobody and
 * leave. A crash between the two leaves a job in line without a message, which the sweeper finds in the ledger's list.
 * A job that is not due yet stands in line once it is, whether its message comes or not: every message may be in the hands of
 * workers that wait for other lines.
 */
export function createWakeQueue({
  redis,
  prefix = '',
  lines,
  channels,
}: WakeQueueOptions): WakeQueue & AsyncDisposable {
  const queues = new Map<string, Queue<WakeData>>();
  const queueOf = (model: string) => {
    const known = queues.get(model);
    if (known) return known;
    const queue = new Queue<WakeData>(queueName(model), {
      connection: redis,
      prefix: queuePrefix(prefix, model),
      streams: { events: { maxLen: 1_000 } },
      skipVersionCheck: true,
    });
    queue.on('error', () => {}); // Each `addBulk` rejects on its own.
    queues.set(model, queue);
    return queue;
  };

  return {
    enqueue: async (messages, now) => {
      const due = messages.filter(({ runAt }) => runAt <= now);
      if (due.length) await lines.add(due.map(({ job }) => lineStandingOf(job, channels)));
      const later = messages.filter(({ runAt }) => runAt > now);
      await Promise.all(later.map(({ job, runAt }) => lines.addLater(lineStandingOf(job, channels), runAt - now)));
      const byModel = Map.groupBy(messages, ({ model }) => model);
      for (const [model, group] of byModel) {
        for (let i = 0; i < group.length; i += BULK) {
          await queueOf(model).addBulk(group.slice(i, i + BULK).map((message) => toBullJob(message, now)));
        }
      }
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}

// Redis keeps a hash compactly, at less than half the size, while none of its values passes 64 bytes. That is why the
// name is short, the data a pair, and what happens to an ended message is said by the worker and not here.
function toBullJob({ tenant, id, version, runAt }: WakeMessage, now: number) {
  const data: WakeData = [tenant, id];
  const opts: JobsOptions = { jobId: messageName(tenant, id, version), delay: Math.max(0, runAt - now) };
  return { name: 'wake', data, opts };
}

/** One version, one message: adding it again changes nothing, and a message that got stuck never blocks the next version's. */
function messageName(tenant: string, id: string, version: number): string {
  return `w${hash('sha256', `${tenant} ${id} ${version}`, 'base64url').slice(1, NAME_CHARACTERS)}`;
}
