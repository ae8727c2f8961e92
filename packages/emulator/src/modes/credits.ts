import { GoogleError } from '../http/google-error.ts';
import { NO_CREDITS } from '../http/other-errors.ts';
import { settingsOf } from '../projects.ts';
import type { Call } from '../routes/call.ts';

/** @throws GoogleError 402 when the project has spent its credits. */
export function checkCredits({ world, project }: Call): void {
  const { credits_micros: credits } = settingsOf(world.settings, project).openrouter;
  if (credits === undefined) return;
  const spent = world.journal.bill().by_project[project]?.cost_micros ?? 0;
  if (spent >= credits) throw new GoogleError(NO_CREDITS);
}
