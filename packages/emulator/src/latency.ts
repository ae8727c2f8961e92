/** How much slower than its model usually is a call is answered. */
import type { Subject } from './faults/script.ts';
import { settingsOf } from './projects.ts';
import { createRandom } from './random.ts';
import type { World } from './world.ts';

/**
 * The factor on the model's typical latency: that of the settings, of any bad time the project has, and of the tail, when
 * the call is one of those few.
 *
 * @param n the number of the call, from which its chance follows
 */
export function latencyFactor(world: World, subject: Subject & { project: string }, n: number): number {
  const { latency, tail } = settingsOf(world.settings, subject.project);
  const late = tail.share > 0 && createRandom(world.seed, 'tail', n)() < tail.share;
  return latency * world.outages.latency(subject) * (late ? tail.factor : 1);
}
