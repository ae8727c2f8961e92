import { isTerminal, type Job, terminalEvent } from '@darkroom/shared/domain';
import type { JobEvent } from '@darkroom/shared/ports';
import { getJob, presentJob } from '@darkroom/shared/usecases';
import type { Request, Response } from 'express';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';

/** Event ids are Redis's time and a job's creation is ours: the two clocks may differ by this much. */
const SKEW_MS = 60_000;

/**
 * A job's events as a stream: those so far, then each as it comes, until the job is over.
 *
 * `Last-Event-ID` resumes after that event. A stream that has nothing left to say answers 204, which tells an
 * EventSource not to come back.
 */
export async function streamJobEvents(deps: ApiDeps, req: Request<{ id: string }>, res: Response): Promise<void> {
  const { tenant } = callerOf(res, 'jobs:read');
  const { id } = req.params;
  let news = Promise.withResolvers<void>();
  const wake = () => news.resolve();
  const waitForNews = async () => {
    await news.promise;
    news = Promise.withResolvers<void>();
  };
  // Watch before reading: a change between the two is news, not a gap.
  const stop = deps.changes.watch(tenant, id, wake);
  res.on('close', wake);
  deps.draining.addEventListener('abort', wake, { once: true });
  try {
    await stream(deps, { tenant, id, last: lastEventId(req), bodyless: req.method === 'HEAD', wake, waitForNews }, res);
  } finally {
    stop();
    deps.draining.removeEventListener('abort', wake);
  }
}

type Stream = {
  tenant: string;
  id: string;
  last: string | undefined;
  bodyless: boolean;
  wake: () => void;
  waitForNews: () => Promise<void>;
};

async function stream(deps: ApiDeps, options: Stream, res: Response): Promise<void> {
  const { tenant, id, bodyless, wake, waitForNews } = options;
  let job = await getJob(deps, tenant, id);
  res.locals['jobId'] = job.id;
  let last = options.last ?? `${job.state.createdAt - SKEW_MS}-0`;
  let events = await backlogOf(deps, job, options.last, last);
  if (bodyless || (options.last && events.length === 0 && isOver(job))) {
    res.status(bodyless ? 200 : 204).end();
    return;
  }
  open(res);
  const heartbeat = setInterval(() => {
    res.write(': still here\n\n');
    wake(); // News may be lost: look at the record now and then.
  }, deps.heartbeatMs);
  try {
    for (;;) {
      // Read after the events, so that none is told beside a state older than itself.
      const now = events.length ? await getJob(deps, tenant, id) : job;
      for (const event of events) res.write(await format(deps, now, event));
      last = events.at(-1)?.id ?? last;
      if (isOver(job) || res.destroyed || deps.draining.aborted) break;
      await waitForNews();
      // Read before the events, so that the last of them is there when it says that the job is over.
      job = await getJob(deps, tenant, id);
      events = await deps.changes.eventsOf(tenant, id, last);
    }
  } finally {
    clearInterval(heartbeat);
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
async function backlogOf(deps: ApiDeps, job: Job, seen: string | undefined, after: string): Promise<JobEvent[]> {
  const events = await deps.changes.eventsOf(job.tenant, job.id, after);
  const type = terminalEvent(job.state.status);
  const at = job.state.completedAt;
  if (events.length || !type || at === undefined) return events;
  return seen === undefined || millisOf(seen) < at ? [{ id: `${at}-0`, type, at, job: job.id }] : [];
}

function millisOf(eventId: string): number {
  return Number(eventId.slice(0, eventId.indexOf('-')));
}

async function format(deps: ApiDeps, job: Job, { id, type, at }: JobEvent): Promise<string> {
  const data = { type, timestamp: new Date(at).toISOString(), data: await presentJob(deps, job) };
  return `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

function lastEventId(req: Request): string | undefined {
  const value = req.get('last-event-id');
  return value && /^\d{1,15}-\d{1,10}$/.test(value) ? value : undefined;
}
