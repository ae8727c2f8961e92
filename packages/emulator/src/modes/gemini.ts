/** Gemini's own way to ask for images, and a relay's copy of it. */
import { encodeJson } from '../answer/json.ts';
import { type Presented, toResponse, toStream } from '../answer/present.ts';
import { readJson } from '../http/body.ts';
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import { responseIdOf } from '../ids.ts';
import { findModel, type Model } from '../models.ts';
import { settingsOf } from '../projects.ts';
import { promptOf } from '../request/wire.ts';
import type { Body, Call } from '../routes/call.ts';
import type { Asked, Dialect, Job } from '../routes/generate-content.ts';

export const GEMINI: Dialect = { read, write };

async function read(call: Call): Promise<Asked> {
  const { world, entry, mode } = call;
  const id = call.params['model'] ?? '';
  world.journal.update(entry, { model: (mode === 'relay' ? relayed(id) : findModel(id))?.id ?? id });
  const json = await readJson(call.request);
  world.journal.update(entry, { prompt: promptOf(json) });
  const model = mode === 'relay' ? relayed(id) : findModel(id);
  if (!model) throw new GoogleError(modelNotFound(id, entry.version));
  if (mode !== 'relay') return { model, json };
  const { png, signatures } = settingsOf(world.settings, call.project).relay;
  // Who never got a signature cannot send it back.
  return {
    model: png ? { ...model, mime: 'image/png' } : model,
    json,
    strict: signatures && world.settings.strict_signatures,
  };
}

/** The model of a relay, which goes on answering to names that Google has given up. */
export function relayed(id: string): Model | undefined {
  return findModel(id.replace(/^google\//, '').replace(/-preview$/, ''));
}

function write({ call }: Job, presented: Presented): Body {
  const shown = call.mode === 'relay' ? asRelayed(call, presented) : presented;
  if (call.entry.route === 'generate_content') return { source: encodeJson(toResponse(shown)) };
  const events = toStream(shown, responseIdOf('turn', call.world.seed, call.entry.n)).map(encodeJson);
  return call.url.searchParams.get('alt') === 'sse'
    ? { source: events.flatMap((event) => [EVENT, ...event, EVENT_END]), contentType: 'text/event-stream' }
    : { source: [LIST, ...events.flatMap((event, i) => (i === 0 ? event : [LIST_NEXT, ...event])), LIST_END] };
}

function asRelayed(call: Call, presented: Presented): Presented {
  const { signatures, usage, null_parts: nullParts } = settingsOf(call.world.settings, call.project).relay;
  const plan = {
    ...presented.plan,
    showsUsage: usage && presented.plan.showsUsage,
    ...(nullParts && { emptyContent: 'null_parts' as const }),
  };
  return { ...presented, plan, signatures: signatures ? presented.signatures : [] };
}

const EVENT = Buffer.from('data: ');
const EVENT_END = Buffer.from('\r\n\r\n');
const LIST = Buffer.from('[');
const LIST_NEXT = Buffer.from(',\r\n');
const LIST_END = Buffer.from(']');
