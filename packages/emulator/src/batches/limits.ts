/** What a project may have in batches that are not over: limits of their own, apart from those of other calls. */
import { settingsOf } from '../projects.ts';
import type { World } from '../world.ts';
import type { Batch } from './batch-store.ts';

/** Whether one more batch would be more than the project may have. */
export function isTooMuch(
  world: World,
  { project, model, lines }: Pick<Batch, 'project' | 'model' | 'lines'>,
): boolean {
  const { jobs_max: jobsMax, enqueued_tokens: limits } = settingsOf(world.settings, project).batches;
  const active = world.batches.active(project);
  const tokensMax = typeof limits === 'object' ? limits[model.id] : limits;
  const enqueued = active
    .filter((batch) => batch.model.id === model.id)
    .reduce((sum, batch) => sum + tokensOf(batch), 0);
  return active.length >= jobsMax || enqueued + tokensOf({ lines }) > (tokensMax ?? Number.POSITIVE_INFINITY);
}

function tokensOf({ lines }: Pick<Batch, 'lines'>): number {
  return lines.reduce((sum, { tokens }) => sum + tokens, 0);
}
