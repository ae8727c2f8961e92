/** A caller of batches: rows as CSV, and a look at what became of them. */

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchView } from '@darkroom/shared/schemas';
import { API_KEY } from './stand.ts';

const AUTHORIZATION = { authorization: `Bearer ${API_KEY}` };
/** Small images of the batch lane, all of them: no row goes ahead. */
const QUERY = 'lane=batch&model=gemini-3.1-flash-image&size=512&canary=0';
const PROMPT_CHARS = 300;
/** What a worker may take at its peak, whatever it brings home. */
export const WORKER_RSS_MAX_MB = 400;
const WORDS =
  'a red ceramic mug with a wooden handle on an old oak table beside the window, morning light, soft shadows, ';

/** Writes so many rows; no prompt is that of another file or row. */
export async function writeRows(folder: string, { name, rows }: { name: string; rows: number }): Promise<string> {
  const path = join(folder, `${name}.csv`);
  const line = (n: number) => `${name}-${n},"${`${name} ${n}: `.padEnd(PROMPT_CHARS, WORDS)}"\n`;
  await writeFile(path, ['key,prompt\n', ...Array.from({ length: rows }, (_, n) => line(n))]);
  return path;
}

/** @throws when it is not accepted whole */
export async function submitBatch(api: string, { path, rows }: { path: string; rows: number }): Promise<BatchView> {
  const { size } = await stat(path);
  const headers = { ...AUTHORIZATION, 'content-type': 'text/csv', 'content-length': size };
  const sent = request(`${api}/v1/batches?${QUERY}`, { method: 'POST', headers });
  const answered = once(sent, 'response');
  await pipeline(createReadStream(path), sent);
  const [response] = (await answered) as [IncomingMessage];
  const body = await json(response);
  if (response.statusCode === 202 && (body as BatchView).counts['total'] === rows) return body as BatchView;
  throw new Error(`${response.statusCode}: ${JSON.stringify(body).slice(0, 500)}`);
}

export async function readBatch(api: string, id: string): Promise<BatchView> {
  const response = await fetch(`${api}/v1/batches/${id}`, { headers: AUTHORIZATION });
  if (!response.ok) throw new Error(`${id}: ${response.status}`);
  return (await response.json()) as BatchView;
}

/** Waits until `holds`. @throws after `patienceMs`, with what was seen last */
export async function untilSeen(
  api: string,
  id: string,
  holds: (view: BatchView) => boolean,
  { patienceMs, everyMs }: { patienceMs: number; everyMs: number },
): Promise<BatchView> {
  for (const end = performance.now() + patienceMs; ; await sleep(everyMs)) {
    const view = await readBatch(api, id);
    if (holds(view)) return view;
    if (performance.now() > end) throw new Error(`${id}: ${view.status}, ${JSON.stringify(view.counts)}`);
  }
}
