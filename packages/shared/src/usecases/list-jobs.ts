import {
  AppError,
  chooseModel,
  type EpochMs,
  isMeant,
  type Job,
  type JobFilter,
  type JobId,
  type Tenant,
} from '../domain/index.ts';
import type { Ledger, ListQuery } from '../ports/index.ts';
import { didYouMean, type JobFilterFields, ListJobsQuery, metadataFilters } from '../schemas/index.ts';
import { unknownModel } from './resolve-request.ts';

export type JobPage = { jobs: Job[]; nextCursor?: string };

/** Jobs looked at for one page: a rare tag ends the page early, with a cursor to go on from. */
const SCAN_MAX = 2_000;
const FILTERS = Object.keys(ListJobsQuery.shape);

/** Jobs of the last day (Redis's tail), newest first. A page may hold fewer than `limit` and still not be the last. */
export async function listJobs(ledger: Ledger, tenant: Tenant, query: ListJobsQuery): Promise<JobPage> {
  const matches = matcher(query);
  const found: Job[] = [];
  let after = query.after === undefined ? undefined : parseCursor(query.after);
  for (let scanned = 0; scanned < SCAN_MAX; ) {
    const limit = Math.max(query.limit, 100);
    const ask: ListQuery = {
      limit,
      ...(query.status && { status: query.status }),
      ...(query.created_after !== undefined && { createdAfter: query.created_after }),
      ...(query.created_before !== undefined && { createdBefore: query.created_before }),
      ...(after && { after }),
    };
    const step = await ledger.list(tenant, ask);
    for (const job of step) {
      if (matches(job)) {
        if (found.length === query.limit) return { jobs: found, nextCursor: cursorOf(found.at(-1)) };
        found.push(job);
      }
      after = { at: job.state.createdAt, id: job.id };
    }
    if (step.length < limit) return { jobs: found };
    scanned += step.length;
  }
  return after ? { jobs: found, nextCursor: formatCursor(after) } : { jobs: found };
}

function matcher(query: ListJobsQuery): (job: Job) => boolean {
  const { metadata, unknown } = metadataFilters(query);
  if (unknown[0]) {
    throw new AppError('invalid_request', {
      message: `${unknown[0]} is not a filter of this list${didYouMean(unknown[0], FILTERS) || '.'}`,
      param: unknown[0],
      fix: `Use ${FILTERS.join(', ')} or metadata[name].`,
    });
  }
  const filter = toJobFilter({ ...query, metadata });
  return (job) => isMeant(filter, job);
}

/**
 * A filter as it comes over the wire, its model resolved.
 *
 * @param modelField what the caller calls the model's field
 * @throws AppError `invalid_request` for a model that no job can have
 */
export function toJobFilter(fields: JobFilterFields, modelField = 'model'): JobFilter {
  const { status, tag, lane, created_after: createdAfter, created_before: createdBefore, metadata } = fields;
  const model = fields.model === undefined ? undefined : modelNamed(fields.model, modelField);
  return {
    ...(status && { status }),
    ...(tag !== undefined && { tag }),
    ...(model !== undefined && { model }),
    ...(lane && { lane }),
    ...(createdAfter !== undefined && { createdAfter }),
    ...(createdBefore !== undefined && { createdBefore }),
    metadata,
  };
}

/** The id behind any name of a model. @throws AppError `invalid_request` for one that no job can have */
function modelNamed(asked: string, field: string): string {
  const choice = chooseModel(asked);
  if (choice.type === 'model') return choice.model.id;
  throw unknownModel(asked, field);
}

function cursorOf(job: Job | undefined): string {
  return job ? formatCursor({ at: job.state.createdAt, id: job.id }) : '';
}

function formatCursor({ at, id }: { at: EpochMs; id: JobId }): string {
  return Buffer.from(`${at} ${id}`).toString('base64url');
}

function parseCursor(text: string): { at: EpochMs; id: JobId } {
  const match = /^(\d{13}) (\S{1,128})$/.exec(Buffer.from(text, 'base64url').toString());
  if (!match?.[1] || !match[2]) {
    throw new AppError('invalid_request', {
      message: 'after is not a cursor of this list.',
      param: 'after',
      fix: 'Send the next_cursor of the page before, or leave after out for the first page.',
    });
  }
  return { at: Number(match[1]), id: match[2] };
}
