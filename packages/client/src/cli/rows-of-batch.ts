import type { JobView } from '@darkroom/shared/schemas';
import type { Context } from './context.ts';

/** Rows that became jobs, in the order of the batch. */
export async function* jobRows(
  { client, signal }: Pick<Context, 'client' | 'signal'>,
  id: string,
): AsyncGenerator<{ key: string; job: JobView }> {
  for await (const item of client.items(id, { signal })) {
    if ('images' in item && item.key !== undefined) yield { key: item.key, job: item };
  }
}
