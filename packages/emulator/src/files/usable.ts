import { fileForbidden, type Refusal } from '../http/google-error.ts';
import type { World } from '../world.ts';
import { isActive } from './file-view.ts';

/** What is wrong with using a file in a request of `project`; `undefined` = nothing. */
export function fileRefusal(world: World, id: string, project: string): Refusal | undefined {
  const file = world.files.get(id, project);
  if (!file) return fileForbidden(id);
  if (isActive(file, world.clock.now())) return undefined;
  return {
    http: 400,
    status: 'FAILED_PRECONDITION',
    message: `The File ${id} is not in an ACTIVE state and usage is not allowed.`,
  };
}
