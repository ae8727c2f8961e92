import type { Charge } from '../bill.ts';
import { settingsOf } from '../projects.ts';
import type { Call } from '../routes/call.ts';

/** What a mode asks for an answer that costs `charge` at Google. */
export function pricedFor({ mode, project, world }: Call, charge: Charge): Charge {
  const { openrouter, relay } = settingsOf(world.settings, project);
  if (mode === 'openrouter') return { ...charge, cost_micros: Math.round(charge.cost_micros * openrouter.markup) };
  if ((mode !== 'relay' && mode !== 'openai') || relay.price_micros === undefined) return charge;
  return { ...charge, cost_micros: charge.images > 0 ? relay.price_micros : 0 };
}
