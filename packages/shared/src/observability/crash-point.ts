/**
 * Steps at which a process can be made to die, so that tests can prove what a crash there leaves behind.
 *
 * Each is passed in the ordinary course of some job; the list is what the crash tests must cover.
 */
export const CRASH_POINTS = [
  // API: from a parsed body to a 202.
  'admission.parsed', // nothing is stored yet
  'admission.recorded', // the record is durable, the caller does not know
  'admission.answered', // the 202 is out
  // API: from the outbox to the queue.
  'outbox.gathered', // the message is about to be added
  'outbox.enqueued', // it is in the queue, the ledger does not know
  'outbox.noted',
  // API: a job canceled or released, its followers and its message still to come.
  'control.written',
  // Worker: one attempt.
  'attempt.admitted', // it may run: no trace of it yet
  'attempt.leave_taken', // a channel's quota counts it, and its intent may be on disk
  'attempt.intended', // its intent is on disk
  'attempt.leased', // the record says that a call is out; none is
  'attempt.sent', // the request's last byte was handed to the socket
  'attempt.arrived', // the whole answer is here, in memory and in the page cache
  'attempt.answered', // the answer is durable on the spool
  'attempt.received', // the record says that an image is being stored
  'attempt.stored', // the image is in the object store
  'attempt.settled', // the record says how it ended
  'attempt.thumbnailed',
  'attempt.cleared', // the spool is empty
  // Worker: a second call beside a slow one, which is out meanwhile.
  'hedge.intended', // its intent is on disk, the record does not know it
  'hedge.leased', // the record says that two calls are out; one is
  'hedge.answered', // its answer is durable on the spool
  // Worker: what a job comes to when its channels have nothing for it.
  'model.moved', // the record says that the next model of the chain makes it, there is no message of it
  'placeholder.stored', // the labelled image is in the object store, the record does not know
  // Worker: what a dead one left in the spool was taken over.
  'recovery.taken',
  // Worker: messages sent again by the attempt's end or by the sweeper.
  'wake.gathered',
  'wake.enqueued',
  'wake.noted',
  // Worker: twins of an ended job, one by one.
  'handoff.decided', // the follower's record has changed, it is still on the leader's list
  'handoff.moved', // it is off the list
  'handoff.ended', // all are, the hand-off is still open
  // Worker: a finished job moves to the archive.
  'archive.written', // the document is at rest, the record is still there
  'archive.forgotten',
] as const;

/** Steps of batches and of the batch lane, which have tests of their own. */
export const BATCH_CRASH_POINTS = [
  // A caller's batch, from its last row to its end.
  'batch.streamed', // its shards are at rest, there is no record of it
  'batch.accepted', // the record is durable, the caller does not know
  'batch.enlisted', // one row is a job, its message is not sent
  'batch.decided', // something was done to its rows, or follows from them; the record does not know
  'batch.written', // the record says so
  // A waiting job, up to its chunk's end.
  'chunk.pooled', // the job lies in the pool, the ledger does not know
  'chunk.planned', // a chunk is on record, its members' records do not know it
  'chunk.begun', // one member's record does
  'chunk.sealed', // the members are fixed
  'chunk.built', // the input file is on this disk
  'chunk.uploaded', // it is at the provider, under a name that is not recorded
  'chunk.intended', // the record says that a create call may be out; none is
  'chunk.created', // the provider has made the batch, its name is in memory
  'chunk.named', // the name is on record
  'chunk.ended', // the record says that it is over at the provider
  'chunk.downloaded', // the results are on this disk
  'chunk.raw_stored', // they are in the object store, the record does not know
  'chunk.line_stored', // one image is in the object store
  'chunk.line_settled', // one job has ended
  'chunk.harvested', // every line and member is accounted for
  'chunk.thumbnailed',
  'chunk.archived', // the chunk's record is in the object store
  'chunk.files_deleted', // the provider's files are gone
  'chunk.closed',
] as const;

/** Steps of an event on its way to who listens, which have tests of their own. */
export const WEBHOOK_CRASH_POINTS = [
  'webhook.fanned', // its deliveries are on record, nothing is sent
  'webhook.claimed', // this process has taken some, nothing is sent
  'webhook.sent', // the receiver has answered, nobody knows
  'webhook.settled',
] as const;

/** Steps of events that move to the object store, which have a test of their own. */
export const EVENT_CRASH_POINTS = [
  'events.written', // they are at rest, and in Redis still
  'events.moved',
] as const;

export type CrashPointName =
  | (typeof CRASH_POINTS)[number]
  | (typeof BATCH_CRASH_POINTS)[number]
  | (typeof WEBHOOK_CRASH_POINTS)[number]
  | (typeof EVENT_CRASH_POINTS)[number];

/** Marks a step after which the process may be made to die; does nothing unless it was asked for. */
export type CrashPoint = (name: CrashPointName) => void;

const NEVER: CrashPoint = () => {};

/**
 * Kills this process with SIGKILL when it passes the named step.
 *
 * @param target the step, as in `CRASH_AT=attempt.intended`; `attempt.intended:3` dies at the third passing
 * @throws RangeError when there is no such step
 */
export function createCrashPoint(target: string | undefined): CrashPoint {
  if (!target) return NEVER;
  const [name = '', nth = '1'] = target.split(':');
  if (
    ![...CRASH_POINTS, ...BATCH_CRASH_POINTS, ...WEBHOOK_CRASH_POINTS, ...EVENT_CRASH_POINTS].some(
      (point) => point === name,
    )
  )
    throw new RangeError(`CRASH_AT: there is no step ${name}`);
  let left = Number(nth);
  return (passed) => {
    if (passed === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

type Marks<T> = { [K in keyof T]?: { before?: CrashPointName; after?: CrashPointName } };

/** `port` with steps marked around some of its methods; `port` itself when nothing is to crash. */
export function withCrashPoints<T extends object>(port: T, crash: CrashPoint, marks: Marks<T>): T {
  if (crash === NEVER) return port;
  const marked: Partial<T> = {};
  for (const name of Object.keys(marks) as (keyof T)[]) {
    const method = port[name];
    if (typeof method !== 'function') continue;
    const { before, after } = marks[name] ?? {};
    const around = async (...args: unknown[]) => {
      if (before) crash(before);
      const result: unknown = await Reflect.apply(method, port, args);
      if (after) crash(after);
      return result;
    };
    marked[name] = around as T[keyof T];
  }
  return { ...port, ...marked };
}
