import { AppError, JOB_STATUSES, type Job, type JobId, type Tenant } from '../../domain/index.ts';
import { parseRecord } from './record.ts';

/** Told of each record that cannot be read, each time somebody looks at it. */
export type OnUnreadable = (record: { tenant: Tenant; job: JobId; reason: string }) => void;

export type RecordReader = {
  /** @throws AppError `record_unreadable` */
  read(tenant: Tenant, id: JobId, values: (Buffer | null)[]): Job | undefined;
  /** The same for one of many: what cannot be read must not hide the others, so it is left out. */
  readOneOfMany(tenant: Tenant, id: JobId, values: (Buffer | null)[]): Job | undefined;
  /** Records that could not be read when they were last looked at. */
  count(): number;
};

/** More are not told apart: by then nobody needs the number. */
const KNOWN_MAX = 10_000;
const STATUSES: ReadonlySet<unknown> = new Set(JOB_STATUSES);

/** Reads records as they come from Redis, and keeps count of those that cannot be read. */
export function createRecordReader(onUnreadable: OnUnreadable = () => undefined): RecordReader {
  const known = new Set<string>();

  function read(tenant: Tenant, id: JobId, values: (Buffer | null)[]): Job | undefined {
    const name = `${tenant} ${id}`;
    try {
      const job = parseRecord(tenant, id, values);
      assertState(job);
      if (known.size) known.delete(name);
      return job;
    } catch (error) {
      if (known.size < KNOWN_MAX) known.add(name);
      onUnreadable({ tenant, job: id, reason: reasonOf(error) });
      throw new AppError('record_unreadable', { message: 'The record of this job cannot be read.' });
    }
  }

  return {
    read,
    readOneOfMany: (tenant, id, values) => {
      try {
        return read(tenant, id, values);
      } catch {
        return undefined; // It has been told of.
      }
    },
    count: () => known.size,
  };
}

/** Not an edge, so no schema: only what shows that it is a state at all. */
function assertState(job: Job | undefined): void {
  if (job && !(STATUSES.has(job.state?.status) && Array.isArray(job.state.attempts)))
    throw new TypeError('its state is none');
}

/** A parser quotes what it could not read, which may be a prompt. */
function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'it is no JSON';
  return error instanceof Error ? error.message : String(error);
}
