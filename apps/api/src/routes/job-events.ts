import { isTerminal, type Job, terminalEvent } from '@darkroom/shared/domain';
import { getJob, presentJob } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { streamEvents, type Told } from '../http/event-stream.ts';

/** A job's events as a stream, until the job is over. */
export async function streamJobEvents(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { id } = req.params;
  const read = async () => {
    const job = await getJob(deps, tenant, id);
    // Only now: what is no job's id may be anything, and does not belong in a log.
    res.locals['jobId'] = job.id;
    return toldOf(deps, job);
  };
  await streamEvents(deps, { tenant, id, read }, req, res);
}

/** An ended job may still get a late image while a call of it is out. */
function toldOf(deps: ApiDeps, job: Job): Told {
  const { state } = job;
  const type = terminalEvent(state.status);
  return {
    createdAt: state.createdAt,
    isOver: isTerminal(state.status) && !state.open,
    ...(type && state.completedAt !== undefined && { end: { type, at: state.completedAt } }),
    present: () => presentJob(deps, job),
  };
}
