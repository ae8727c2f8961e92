/** A free look at what is served: each model is asked for by its name. */

import type { ChannelLook } from '../../ports/channel.ts';
import type { Seen } from '../http/look.ts';

/**
 * @param see  asks for one model by its catalogue id
 * @param good the credentials are known to be, whatever becomes of these questions
 */
export async function lookAtModels(
  models: readonly string[],
  see: (model: string) => Promise<Seen>,
  { good = false } = {},
): Promise<ChannelLook> {
  const all = await Promise.all(models.map(async (model) => ({ model, seen: await see(model) })));
  const of = (type: Seen['type']) => all.filter(({ seen }) => seen.type === type).map(({ model }) => model);
  for (const { seen } of all) {
    if (seen.type === 'refused') return { type: 'refused', http: seen.http, message: seen.message };
  }
  const [first] = all;
  if (!good && first && of('ok').length + of('gone').length === 0)
    return { type: 'unreachable', reason: reasonIn(first.seen) };
  return { type: 'ok', unknownModels: of('gone'), unseenModels: [...of('failed'), ...of('unreachable')] };
}

function reasonIn(seen: Seen): string {
  if (seen.type === 'ok') return '';
  return seen.type === 'unreachable' ? seen.reason : `the provider answered ${seen.http}: ${seen.message}`;
}
