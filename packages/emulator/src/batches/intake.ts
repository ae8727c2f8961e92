/** Reads the input of a batch once, line by line, and decides what becomes of each line. */
import { readDirective } from '../directive.ts';
import { onDisk } from '../files/content.ts';
import { fileRefusal } from '../files/usable.ts';
import { GoogleError, invalidArgument } from '../http/google-error.ts';
import { checkObjects } from '../modes/gcs.ts';
import type { ImageRequest } from '../request/request.ts';
import { promptOf } from '../request/wire.ts';
import type { World } from '../world.ts';
import { parseInputLine, requestOf } from './input-line.ts';
import { type FoundLine, linesOf } from './jsonl.ts';
import { answersTo, chargeOf, errorOf, type Line, type LineContext } from './line.ts';
import { toRpcStatus } from './rpc-status.ts';

type Intake = {
  context: LineContext;
  project: string;
  displayName: string;
  /** The input on disk. */
  path: string;
};

const LINE_BYTES_MAX = 110 * 1024 * 1024;

/**
 * Every line of the input, with what it will cost.
 *
 * @throws GoogleError 400 when the input is no JSONL, or has no lines
 */
export async function takeIn(world: World, intake: Intake): Promise<Line[]> {
  const lines: Line[] = [];
  try {
    for await (const found of linesOf(onDisk(world.disk, intake.path).bytes, LINE_BYTES_MAX)) {
      lines.push(await takeLine(world, intake, found, lines.length));
    }
  } catch (error) {
    if (error instanceof RangeError) throw new GoogleError(invalidArgument(`Invalid input file: ${error.message}.`));
    throw error;
  }
  if (lines.length === 0) throw new GoogleError(invalidArgument('The input has no requests.'));
  return lines;
}

async function takeLine(world: World, intake: Intake, found: FoundLine, index: number): Promise<Line> {
  const { context, project, displayName } = intake;
  const { model, settings } = context;
  const input = parseInputLine(found.bytes);
  const place = { index, offset: found.offset, length: found.bytes.length, key: input.key };
  const refused = { ...place, tokens: 0, inlineBytes: 0, fault: undefined, charges: [] };
  try {
    const checks = {
      signatures: settings.strict_signatures,
      checkFile: (id: string) => fileRefusal(world, id, project),
      fields: context.fields,
    };
    const { gcs_endpoint: endpoint } = settings.vertex;
    if (context.fields && endpoint !== undefined) await checkObjects(input.request, endpoint, world.closing);
    const request = await requestOf(input, model, checks);
    const subject = {
      route: 'batch_line',
      model: model.id,
      prompt: promptOf(input.request),
      batch: context.batch,
    } as const;
    const named = { ...subject, displayName, ...(input.key !== undefined && { key: input.key }) };
    const fault = readDirective(request.prompt).fault ?? world.faults.choose(named);
    const tokens = request.promptTokens + request.referenceTokens;
    const error = errorOf(fault, model);
    const charges = Array.from({ length: answersTo(fault) }, (_, nth) =>
      chargeOf(world, { context, line: { index, fault }, request, nth }),
    );
    return { ...place, tokens, inlineBytes: error ? 0 : inlineBytesOf(request), fault, error, charges };
  } catch (error) {
    if (!(error instanceof GoogleError)) throw error;
    return { ...refused, error: toRpcStatus(error.refusal) };
  }
}

/** Both copies of an image and its signature in base64, by size: 150 of 2K were too many, 122 were not. */
const INLINE_BYTES: Readonly<Record<string, number>> = { '512': 3e6, '1K': 5e6, '2K': 8e6, '4K': 24e6 };

function inlineBytesOf({ size }: ImageRequest): number {
  return INLINE_BYTES[size] ?? 0;
}
