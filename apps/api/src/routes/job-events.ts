import { isTerminal, type Job, terminalEvent } from '@darkroom/shared/domain';
import type { JobEvent } from '@darkroom/shared/ports';
import { getJob, presentJob } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/**
 * A job's events as a stream: those so far, then each as it comes, until the job is over.
 *
 * `Last-Event-ID` resumes after that event. A stream that has nothing left to say answers 204, which tells an
 * EventSource not to come back.
 */
export async function streamJobEvents(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { id } = req.params;
  let last = lastEventId(req);
  const first = await getJob(deps, tenant, id);
  const backlog = await eventsAfter(deps, first, last);
  if (last && backlog.length === 0 && isOver(first)) {
    res.status(204).end();
    return;
  }
  const closed = Promise.withResolvers<void>();
  let news = Promise.withResolvers<void>();
  const stop = deps.changes.watch(tenant, id, () => news.resolve());
  const heartbeat = setInterval(() => {
    res.write(': still here\n\n');
    news.resolve(); // News may be lost: look at the record now and then.
  }, deps.heartbeatMs);
  const end = () => closed.resolve();
  res.on('close', end);
  deps.draining.addEventListener('abort', end, { once: true });
  open(res);
  try {
    for (let job = first; ; job = await getJob(deps, tenant, id)) {
      for (const event of await eventsAfter(deps, job, last)) {
        last = event.id;
        res.write(await format(deps, job, event));
      }
      if (isOver(job) || res.destroyed || deps.draining.aborted) break;
      await Promise.race([news.promise, closed.promise]);
      news = Promise.withResolvers<void>();
    }
  } finally {
    clearInterval(heartbeat);
    stop();
    deps.draining.removeEventListener('abort', end);
    res.end();
  }
}

/** An ended job may still get a late image while a call of it is out. */
function isOver({ state }: Job): boolean {
  return isTerminal(state.status) && !state.open;
}

function open(res: Response): void {
  res.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  res.flushHeaders();
}

/** Events that are kept no longer still have an end to tell: the job's last one, made from its record. */
async function eventsAfter(deps: ApiDeps, job: Job, after: string | undefined): Promise<JobEvent[]> {
  const events = await deps.changes.eventsOf(job.tenant, job.id, after);
  const type = terminalEvent(job.state.status);
  const at = job.state.completedAt;
  if (events.length || after || !type || at === undefined) return events;
  return [{ id: `${at}-0`, type, at, job: job.id }];
}

async function format(deps: ApiDeps, job: Job, { id, type, at }: JobEvent): Promise<string> {
  const data = { type, timestamp: new Date(at).toISOString(), data: await presentJob(deps, job) };
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function lastEventId(req: Request): string | undefined {
  const value = req.get('last-event-id');
  return value && /^\d{1,15}-\d{1,10}$/.test(value) ? value : undefined;
}
