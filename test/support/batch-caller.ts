/** A caller of batches: sends rows as CSV until they are accepted, waits for the end, and remembers what it sent. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BatchView, JobView } from '@darkroom/shared/schemas';
import type { Answer } from './system/client.ts';
import type { System } from './system.ts';

export type SentRow = { key: string; prompt: string };
/** A batch that was accepted, and what its caller sent. */
export type SentBatch = { id: string; rows: SentRow[] };

export const BATCH_MODEL = 'gemini-3.1-flash-image';
const OVER: ReadonlySet<string> = new Set(['completed', 'canceled', 'expired']);
const OPTIONS = `lane=batch&model=${BATCH_MODEL}&size=512`;

/** Rows that no other batch has. */
export function someRows(count: number, what = 'mug'): SentRow[] {
  const name = randomBytes(4).toString('hex');
  return Array.from({ length: count }, (_, n) => ({ key: `${name}-${n}`, prompt: `a ${what} ${name} number ${n}` }));
}

/** One request, which may fail in any way. */
export function sendRows(
  { client }: Pick<System, 'client'>,
  rows: SentRow[],
  { key, query = '' }: { key: string; query?: string },
): Promise<Answer<BatchView>> {
  const csv = ['key,prompt', ...rows.map((row) => `${row.key},"${row.prompt}"`), ''].join('\r\n');
  const headers = { 'content-type': 'text/csv', 'idempotency-key': key };
  return client.call<BatchView>('POST', `/v1/batches?${OPTIONS}${query}`, { raw: csv, headers });
}

/** Sends the rows until they are accepted, the same key each time, as a careful caller does. */
export async function insistOnRows(
  system: Pick<System, 'client'>,
  rows: SentRow[],
  { key = randomBytes(8).toString('hex'), query = '', untilMs = 60_000 } = {},
): Promise<SentBatch> {
  const end = performance.now() + untilMs;
  for (;;) {
    const answer = await sendRows(system, rows, { key, query }).catch(() => undefined);
    if (answer && answer.status < 300) return { id: answer.body.id, rows };
    // 409: a process that died in the middle of the same body is still taken for alive.
    if (answer && answer.status < 500 && answer.status !== 409)
      throw new Error(`refused: ${answer.status} ${JSON.stringify(answer.body)}`);
    if (performance.now() > end) throw new Error(`not accepted in ${untilMs} ms: ${JSON.stringify(answer?.body)}`);
    await sleep(100);
  }
}

/** Waits until the batch is over, through restarts of the API. */
export async function untilBatchOver({ client }: System, id: string, timeoutMs = 60_000): Promise<BatchView> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await client.call<BatchView>('GET', `/v1/batches/${id}?wait=5`).catch(() => undefined);
    if (answer?.status === 200 && OVER.has(answer.body.status)) return answer.body;
    if (performance.now() > end) throw new Error(`${id} is not over: ${JSON.stringify(answer?.body)}`);
    if (answer?.status !== 200) await sleep(100);
  }
}

export type ShownItem = JobView & { key: string };

/** All items of a batch, page by page. What they are is noted as promised. */
export async function itemsOf({ client }: Pick<System, 'client'>, id: string): Promise<ShownItem[]> {
  const items: ShownItem[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const path: string = `/v1/batches/${id}/items?limit=50${after && `&after=${encodeURIComponent(after)}`}`;
    const { status, body } = await client.call<{ data: ShownItem[]; next_cursor?: string }>('GET', path);
    if (status !== 200) throw new Error(`${path} answers ${status}`);
    items.push(...body.data);
    after = body.next_cursor;
  }
  for (const item of items) client.accepted.add(item.id);
  return items;
}

export type ManifestLine = { key: string; status: string; sha256: string | null; cost: string; lane: string };

export async function manifestOf({ client }: Pick<System, 'client'>, id: string): Promise<ManifestLine[]> {
  const { status, body } = await client.call<string>('GET', `/v1/batches/${id}/manifest.jsonl`);
  if (status !== 200) throw new Error(`the manifest of ${id} answers ${status}`);
  return body.split('\n').flatMap((line) => (line ? [JSON.parse(line) as ManifestLine] : []));
}
