/** What OpenRouter says of a key: what it has spent, and what is left to it. */
import { settingsOf } from '../projects.ts';
import { answerJson, type Call } from './call.ts';

const MICROS = 1_000_000;

/** The key of the call; amounts in credits, which are dollars. */
export async function getKey(call: Call): Promise<void> {
  const { world, project } = call;
  const { credits_micros: credits } = settingsOf(world.settings, project).openrouter;
  const spent = world.journal.bill().by_project[project]?.cost_micros ?? 0;
  const data = {
    label: `sk-or-v1-…${call.entry.key}`,
    usage: spent / MICROS,
    limit: credits === undefined ? null : credits / MICROS,
    limit_remaining: credits === undefined ? null : Math.max(0, credits - spent) / MICROS,
    is_free_tier: false,
    is_provisioning_key: false,
  };
  await answerJson(call, { data });
}
