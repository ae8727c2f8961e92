/** The output of a batch, made line by line while it is read, and each time the same. */
import { encodeJson } from '../answer/json.ts';
import { letters } from '../ids.ts';
import { createRandom } from '../random.ts';
import { VERTEX_FIELDS } from '../request/fields.ts';
import type { Batch } from './batch-store.ts';
import { answeredLine, refusedLine } from './cloud/line.ts';
import { readLine, requestOf } from './input-line.ts';
import { answerLine, type Line, type LineContext, type Tools } from './line.ts';
import { linesDone } from './timeline.ts';

/** One line of the output: the nth answer to a line of the input. */
type Written = { line: Line; nth: number };

/** Lines that are being drawn ahead of the one that is sent. */
const AHEAD = 3;
const NEWLINE = Buffer.from('\n');

/** The file of results, as JSONL. */
export async function* resultLines(world: Tools, batch: Batch): AsyncGenerator<Buffer> {
  const order = orderOf(world, batch);
  const lines = ahead(order, (written) => writeLine(world, batch, written));
  let left = order.length;
  for await (const pieces of lines) {
    left -= 1;
    if (left === 0 && batch.course.truncated) yield* firstHalf(pieces);
    else yield* [...pieces, NEWLINE];
  }
}

/** The results as an answer carries them, in the order of their requests: the members of a JSON list. */
export async function* inlinedResponses(world: Tools, batch: Batch): AsyncGenerator<Buffer> {
  const order = doneLines(batch).map((line) => ({ line, nth: 0 }));
  let comma = '';
  for await (const pieces of ahead(order, (written) => writeInlined(world, batch, written))) {
    yield* [Buffer.from(comma), ...pieces];
    comma = ',';
  }
}

/** The lines that are answered by the end of a batch. */
export function doneLines({ timeline, lines }: Batch): Line[] {
  return lines.slice(0, linesDone(timeline, timeline.endsAt, lines.length));
}

function orderOf(world: Tools, batch: Batch): Written[] {
  const written = doneLines(batch).flatMap((line): Written[] => {
    if (line.fault?.kind === 'line_missing') return [];
    return Array.from({ length: line.error ? 1 : line.charges.length }, (_, nth) => ({ line, nth }));
  });
  const shuffles =
    batch.course.order === undefined ? batch.settings.batches.shuffle : batch.course.order === 'shuffled';
  return shuffles ? shuffled(written, world.seed, batch.id) : written;
}

function shuffled<T>(items: readonly T[], ...words: string[]): T[] {
  const random = createRandom('order', ...words);
  const keyed = items.map((item) => ({ item, at: random() }));
  return keyed.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

async function writeLine(world: Tools, batch: Batch, { line, nth }: Written): Promise<Buffer[]> {
  if (batch.cloud) return writeJobLine(world, batch, { line, nth });
  const key = keyOf(world, batch, { line, nth });
  const keyed = key === undefined ? {} : { key };
  const content = await contentOf(world, batch, { line, nth });
  // Google's order of the two varies.
  const keyFirst = createRandom(world.seed, 'key first', batch.id, line.index)() < 0.5;
  return encodeJson(keyFirst ? { ...keyed, ...content } : { ...content, ...keyed });
}

async function writeJobLine(world: Tools, batch: Batch, { line, nth }: Written): Promise<Buffer[]> {
  const input = await readLine(batch.inputPath, line).catch(() => undefined);
  const { key: _, ...keyless } = input?.extra ?? {};
  const key = keyOf(world, batch, { line, nth });
  const extra = key === undefined ? keyless : { ...keyless, key };
  const told = { request: input?.request, extra, processedAt: batch.timeline.endsAt };
  if (line.error) return encodeJson(refusedLine(told, line.error));
  const { response } = await contentOf(world, batch, { line, nth });
  return encodeJson(answeredLine(told, response));
}

async function writeInlined(world: Tools, batch: Batch, written: Written): Promise<Buffer[]> {
  const content = await contentOf(world, batch, written);
  const { metadata } = await readLine(batch.inputPath, written.line);
  const echoed = batch.settings.batches.inline_metadata && metadata !== undefined ? { metadata } : {};
  return encodeJson({ ...content, ...echoed });
}

async function contentOf(world: Tools, batch: Batch, { line, nth }: Written): Promise<Record<string, unknown>> {
  if (line.error) return { error: line.error };
  const { model, settings, id } = batch;
  const cloudy = batch.cloud && { fields: VERTEX_FIELDS, cloudAt: batch.timeline.endsAt };
  const context: LineContext = { batch: id, model, settings, ...cloudy };
  // It was checked when it came; a reference may be gone since.
  const checks = { signatures: false, checkFile: () => undefined, fields: context.fields };
  const request = await requestOf(await readLine(batch.inputPath, line), model, checks);
  return { response: await answerLine(world, { context, line, request, nth }) };
}

function keyOf({ seed }: Tools, { id }: Batch, { line, nth }: Written): string | undefined {
  if (line.fault?.kind === 'line_keyless') return undefined;
  return line.fault?.kind === 'line_stray' && nth > 0 ? `stray-${letters(12, seed, id, line.index, nth)}` : line.key;
}

function firstHalf(pieces: readonly Buffer[]): Buffer[] {
  const whole = Buffer.concat(pieces);
  return [whole.subarray(0, whole.length >> 1)];
}

/** Makes one thing after another, a few ahead of the one that is taken. */
async function* ahead<T, R>(items: readonly T[], make: (item: T) => Promise<R>): AsyncGenerator<R> {
  const making: Promise<R>[] = [];
  for (const item of items) {
    const next = make(item);
    // Whoever takes it sees its failure; until then it must not count as unhandled.
    next.catch(() => undefined);
    making.push(next);
    const first = making.length > AHEAD ? making.shift() : undefined;
    if (first) yield await first;
  }
  for (const rest of making) yield await rest;
}
