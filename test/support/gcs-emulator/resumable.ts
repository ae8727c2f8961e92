/** Resumable uploads: a session takes bytes in order, tells how many it has (308), and commits once it has all. */

import { randomUUID } from 'node:crypto';
import type { Buckets, Description, Preconditions, StoredObject } from './buckets.ts';
import { invalid, notFound, Refusal } from './errors.ts';
import type { Asked, Reply } from './wire.ts';

// What GCS keeps of a request that breaks off, and the size of every piece but the last.
const QUANTUM = 256 * 1024;
const INCOMPLETE = 308;

type Session = {
  bucket: string;
  name: string;
  description: Description;
  preconditions: Preconditions;
  chunks: Buffer[];
  received: number;
  stored?: StoredObject;
};

export type ResumableUploads = ReturnType<typeof createResumableUploads>;

export function createResumableUploads(buckets: Buckets) {
  const sessions = new Map<string, Session>();

  const finish = (session: Session, declared: string | undefined): StoredObject => {
    const sum = /crc32c=([^,\s]+)/.exec(declared ?? '')?.[1];
    const description = { ...session.description, ...(sum !== undefined && { crc32c: sum }) };
    session.stored = buckets.commit(
      session.bucket,
      session.name,
      Buffer.concat(session.chunks),
      description,
      session.preconditions,
    );
    session.chunks = [];
    return session.stored;
  };

  return {
    /** @returns the session's id */
    open: (bucket: string, name: string, description: Description, preconditions: Preconditions): string => {
      buckets.check(bucket, name, preconditions);
      const id = randomUUID();
      sessions.set(id, { bucket, name, description, preconditions, chunks: [], received: 0 });
      return id;
    },
    cancel: (id: string): Reply => {
      if (!sessions.delete(id)) throw notFound('No such upload.');
      return { status: 499 };
    },
    /** Takes one PUT: a piece, the rest, or a question how far it got. */
    put: async (id: string, asked: Asked): Promise<StoredObject | Reply> => {
      const session = sessions.get(id);
      if (!session) throw notFound('No such upload.');
      if (session.stored) return session.stored;
      const range = parseRange(asked.request.headers['content-range']);
      if (range.start === undefined)
        return range.total === session.received ? finish(session, undefined) : progress(session);
      await takeBytes(session, range.start, asked);
      const total = range.total ?? (range.end === undefined ? session.received : undefined);
      if (total === session.received) return finish(session, asked.request.headers['x-goog-hash']?.toString());
      if (session.received % QUANTUM !== 0) throw invalid('Every piece but the last is a multiple of 256 KiB.');
      return progress(session);
    },
  };
}

type Range = { start?: number; end?: number; total?: number };

const number = (text: string | undefined) => (text === undefined || text === '*' ? undefined : Number(text));

// `bytes 0-99/200`, `bytes 0-*/*`, `bytes */200`, `bytes */*`; without the header, everything at once.
function parseRange(header: string | undefined): Range {
  if (header === undefined) return { start: 0 };
  const match = /^bytes (?:\*|(\d+)-(\d+|\*))\/(\d+|\*)$/.exec(header);
  if (!match) throw invalid(`Failed to parse Content-Range header: ${header}`);
  const [start, end, total] = [number(match[1]), number(match[2]), number(match[3])];
  return {
    ...(start !== undefined && { start }),
    ...(end !== undefined && { end }),
    ...(total !== undefined && { total }),
  };
}

async function takeBytes(session: Session, start: number, asked: Asked): Promise<void> {
  if (start > session.received) throw new Refusal(503, 'backendError', `The upload goes on at ${session.received}.`);
  let skip = session.received - start;
  try {
    for await (const chunk of asked.body()) {
      const fresh = chunk.subarray(Math.min(skip, chunk.length));
      skip -= chunk.length - fresh.length;
      session.chunks.push(fresh);
      session.received += fresh.length;
    }
  } catch (error) {
    keepWholeQuanta(session);
    throw error;
  }
}

function keepWholeQuanta(session: Session): void {
  session.received -= session.received % QUANTUM;
  session.chunks = [Buffer.concat(session.chunks).subarray(0, session.received)];
}

function progress({ received }: Session): Reply {
  return { status: INCOMPLETE, headers: received > 0 ? { range: `bytes=0-${received - 1}` } : {} };
}
