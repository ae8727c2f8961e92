/** A free look at what is served, where one list names it all. */

import { objectOf, objectsOf, textOf } from '../../domain/lenient.ts';
import type { ChannelLook } from '../../ports/channel.ts';
import type { LookOptions } from './key-channel.ts';
import { lookAt, type Seen } from './look.ts';

/** @param path of the list, in OpenAI's shape: `{data: [{id}]}` */
export async function lookAtList(options: LookOptions, path: string): Promise<ChannelLook> {
  const { connections, baseUrl, headers, served, signal } = options;
  const seen = await lookAt(connections, { url: new URL(`${baseUrl}${path}`), headers }, signal);
  if (seen.type !== 'ok') return failedLook(seen);
  const body = Array.isArray(seen.body) ? seen.body : objectOf(seen.body)['data'];
  // Google names them with a folder before them.
  const ids = new Set(objectsOf(body).map((model) => textOf(model['id'])?.replace(/^models\//, '')));
  // A list without anything in it is no list of what is served.
  if (ids.size === 0) return { type: 'ok', unknownModels: [], unseenModels: served.map(({ model }) => model) };
  const unknown = served.filter(({ providerModel }) => !ids.has(providerModel.replace(/^models\//, '')));
  return { type: 'ok', unknownModels: unknown.map(({ model }) => model), unseenModels: [] };
}

/** What a look that was not answered says of the channel. */
export function failedLook(seen: Exclude<Seen, { type: 'ok' }>): ChannelLook {
  if (seen.type === 'unreachable') return seen;
  const { http, message } = seen;
  if (seen.type === 'refused') return { type: 'refused', http, message };
  return { type: 'unreachable', reason: `the provider answered ${http}: ${message}` };
}
