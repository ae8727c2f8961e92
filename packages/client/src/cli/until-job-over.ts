import type { JobView } from '@darkroom/shared/schemas';
import { insist } from '../insist.ts';
import type { Context } from './context.ts';

const OPEN: ReadonlySet<string> = new Set(['queued', 'running']);

export function isOpen({ status }: JobView): boolean {
  return OPEN.has(status);
}

/** The job as it ended; short outages are sat out. */
export async function untilJobOver({ client, signal, say }: Context, job: JobView): Promise<JobView> {
  let now = job;
  if (isOpen(now)) say(`${job.id} is on its way …`);
  while (isOpen(now)) now = await insist(() => client.getJob(job.id, { waitSeconds: 30, signal }), { signal });
  return now;
}
