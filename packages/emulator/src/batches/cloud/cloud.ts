/** What a batch has beside its lines when it is a batch prediction job: it lives in somebody's bucket. */
import type { RpcStatus } from '../rpc-status.ts';
import type { ObjectName } from './bucket.ts';
import type { JobBody } from './job-body.ts';

export type Cloud = {
  /** `projects/P/locations/L`. */
  parent: string;
  body: JobBody;
  /** The API of the bucket; absent = there is none, and every job fails. */
  endpoint: string | undefined;
  /** The directory of its output, without a slash at its end. */
  output: ObjectName;
  /** Its output while it is written: to be awaited before anybody is told of its end. */
  writing?: Promise<void>;
  /** Why its output could not be written. */
  failure?: RpcStatus;
};

/** Where a job that was created at that instant puts its output. The nth job has a microsecond of its own. */
export function outputOf({ bucket, name }: ObjectName, createdAt: number, n: number): ObjectName {
  const prefix = name === '' || name.endsWith('/') ? name : `${name}/`;
  const micros = String(n % 1000).padStart(3, '0');
  return { bucket, name: `${prefix}prediction-model-${new Date(createdAt).toISOString().replace('Z', `${micros}Z`)}` };
}
