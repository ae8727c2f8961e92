import { GoogleError, type Refusal } from '../http/google-error.ts';
import { settingsOf } from '../projects.ts';
import type { Call } from '../routes/call.ts';

/** The answer to a project that has spent all it had. */
export const NO_CREDITS: Refusal = {
  http: 402,
  status: 'FAILED_PRECONDITION',
  about: 'credits',
  message: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits',
};

/** @throws GoogleError 402 when the project has spent its credits. */
export function checkCredits({ world, project }: Call): void {
  const { credits_micros: credits } = settingsOf(world.settings, project).openrouter;
  if (credits === undefined) return;
  const spent = world.journal.bill().by_project[project]?.cost_micros ?? 0;
  if (spent >= credits) throw new GoogleError(NO_CREDITS);
}
