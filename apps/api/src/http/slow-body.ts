/** Bodies of any length: bounded by how long they stand still, not by how long they take. */

import type { Socket } from 'node:net';
import { AppError } from '@darkroom/shared/domain';
import type { Request } from 'express';

/** Sockets whose request has limits of its own; the server's total one does not apply. */
const ownPace = new WeakSet<object>();

export function hasOwnPace(socket: object): boolean {
  return ownPace.has(socket);
}

export type Pace = {
  /** Longest silence while more is waited for; time that we take ourselves does not count. */
  idleMs: number;
  /** However steadily it comes. */
  totalMs: number;
};

/**
 * The chunks of a body as they arrive. Nothing is read ahead of whoever takes them, so the caller is slowed down to
 * their pace.
 *
 * @throws AppError `request_timeout` when it stands still or takes too long; the connection stays open for the answer
 */
export async function* slowBody(req: Request, { idleMs, totalMs }: Pace): AsyncGenerator<Buffer> {
  const socket: Socket = req.socket;
  ownPace.add(socket);
  const until = performance.now() + totalMs;
  const chunks = (req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await within(chunks.next(), Math.min(idleMs, until - performance.now()), idleMs);
      if (next.done) return;
      yield next.value;
    }
  } finally {
    ownPace.delete(socket);
    // Not awaited: while a chunk is waited for, the iterator answers only when one comes.
    void chunks.return?.()?.catch(() => undefined);
  }
}

async function within<T>(promise: Promise<T>, ms: number, idleMs: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(tooSlow(idleMs)), Math.max(0, ms));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function tooSlow(idleMs: number): AppError {
  return new AppError('request_timeout', {
    message: `The body stood still for ${idleMs / 1_000} s, or took too long altogether.`,
    retryable: true,
  });
}
