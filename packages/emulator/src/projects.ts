/** Whose call it is, and what holds for that project: one emulator can be several channels at once. */
import type { Settings } from './settings.ts';

const SHARED = 'project';

/**
 * The project a key or token belongs to: the part before its first `.`, when `projects` has that name or
 * `quotas.project` is `key_prefix`; else the one that all others share.
 */
export function projectOfKey(key: string, { projects, quotas }: Settings): string {
  const name = key.split('.')[0] ?? key;
  return Object.hasOwn(projects, name) || quotas.project === 'key_prefix' ? name : SHARED;
}

/** What holds for one project: its own settings, else those of all. */
export function settingsOf(
  settings: Settings,
  project: string,
): Pick<Settings, 'quotas' | 'latency' | 'tail' | 'batches' | 'openrouter' | 'relay' | 'vertex'> {
  const own = Object.hasOwn(settings.projects, project) ? settings.projects[project] : undefined;
  return {
    quotas: own?.quotas ?? settings.quotas,
    latency: own?.latency ?? settings.latency,
    tail: own?.tail ?? settings.tail,
    openrouter: own?.openrouter ?? settings.openrouter,
    relay: own?.relay ?? settings.relay,
    vertex: own?.vertex ?? settings.vertex,
    batches: own?.batches ?? settings.batches,
  };
}
