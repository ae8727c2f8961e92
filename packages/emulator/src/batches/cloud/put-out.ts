/** Writes the output of a job into its bucket, when the job is over. */
import type { World } from '../../world.ts';
import type { Tools } from '../line.ts';
import { resultLines } from '../output.ts';
import { storeObject } from './bucket.ts';
import type { Job } from './job.ts';

type Parts = Tools & Pick<World, 'clock' | 'disk' | 'closing'>;

/** Begins at once, or so much later as its course says; `cloud.writing` tells when it is done. */
export function putIntoBucket(parts: Parts, job: Job): void {
  const { outputAfterMs = 0 } = job.course;
  const write = () => {
    job.cloud.writing = writeOut(parts, job);
  };
  if (outputAfterMs === 0) write();
  else parts.clock.at(job.timeline.endsAt + outputAfterMs, write);
}

async function writeOut(parts: Parts, job: Job): Promise<void> {
  const { endpoint = '', output } = job.cloud;
  const at = { endpoint, signal: parts.closing };
  const object = { bucket: output.bucket, name: `${output.name}/predictions.jsonl` };
  try {
    await storeObject(object, resultLines(parts, job), at);
  } catch (error) {
    job.cloud.failure = { code: 7, message: error instanceof Error ? error.message : String(error) };
  } finally {
    parts.disk.remove(job.inputPath);
  }
}
