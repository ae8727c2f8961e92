/**
 * One line of a batch: what it asks for, and what it will get.
 *
 * All of it follows from the emulator's seed, the batch's id and the line's place, so that a line is answered with the same
 * bytes however often its output is read, and none of them is kept.
 */
import { drawParts } from '../answer/draw-parts.ts';
import { imagesIn, type Plan, planAnswer, tokensOf } from '../answer/plan.ts';
import { toResponse } from '../answer/present.ts';
import { type Charge, chargeFor } from '../bill.ts';
import { readDirective } from '../directive.ts';
import { refusalOf } from '../faults/refusals.ts';
import { type Fault, isContent, isRefused } from '../faults/rules.ts';
import { responseIdOf } from '../ids.ts';
import type { Model } from '../models.ts';
import { createRandom, type Random } from '../random.ts';
import type { Fields } from '../request/message.ts';
import type { ImageRequest } from '../request/request.ts';
import type { Settings } from '../settings.ts';
import type { World } from '../world.ts';
import type { RpcStatus } from './rpc-status.ts';
import { toRpcStatus } from './rpc-status.ts';

/** Where a line stands in the input, and what became of it. */
export type Line = {
  /** 0-based, among the lines of its batch. */
  index: number;
  offset: number;
  length: number;
  /** Absent when the line has none. */
  key: string | undefined;
  /** Of its prompt and references. */
  tokens: number;
  /** What it would weigh in an answer that carries its output, with images of real weight. */
  inlineBytes: number;
  fault: Fault | undefined;
  /** Written as an error, or else as often as there are charges. */
  error: RpcStatus | undefined;
  /** One for each answer; none = that answer is free. */
  charges: (Charge | undefined)[];
};

/** What lines share: their model, and the emulator as it was set when they were sent. */
export type LineContext = {
  batch: string;
  model: Model;
  settings: Settings;
  /** What a request may say; none = what Gemini's own may. */
  fields?: Fields | undefined;
  /** Set when Google's cloud answers, in epoch milliseconds. */
  cloudAt?: number | undefined;
};

/** What answers are made with. */
export type Tools = Pick<World, 'seed' | 'pictures' | 'sign'>;

/** One of the answers to a line: the nth, from 0. */
type Asked = { context: LineContext; line: Pick<Line, 'index' | 'fault'>; request: ImageRequest; nth: number };

/** A batch costs half. */
const BATCH_SHARE = 0.5;
const DUPLICATES = 20;

/** The error a fault makes of a line, if it makes one. */
export function errorOf(fault: Fault | undefined, model: Model): RpcStatus | undefined {
  if (fault?.kind === 'line_error')
    return { code: fault.code, message: fault.message ?? 'Internal error encountered.' };
  if (!fault || !isRefused(fault)) return undefined;
  return toRpcStatus(refusalOf(fault.kind, { model: model.id, version: 'v1beta' }));
}

/** How many answers are made for a line, written or not. */
export function answersTo(fault: Fault | undefined): number {
  if (fault && (fault.kind === 'line_error' || isRefused(fault))) return 'billed' in fault && fault.billed ? 1 : 0;
  if (fault?.kind === 'line_missing') return fault.billed ? 1 : 0;
  if (fault?.kind === 'line_duplicated') return fault.count ?? DUPLICATES;
  return fault?.kind === 'line_stray' ? 1 + (fault.count ?? 1) : 1;
}

/** What the nth answer to a line costs. */
export function chargeOf(world: Pick<World, 'seed'>, asked: Asked): Charge | undefined {
  const { plan } = planLine(world, asked);
  return plan.charged ? chargeFor(asked.context.model, tokensOf(plan), imagesIn(plan), BATCH_SHARE) : undefined;
}

/** The nth answer to a line, as a GenerateContentResponse. */
export async function answerLine(world: Tools, asked: Asked): Promise<Record<string, unknown>> {
  const { context, line, request, nth } = asked;
  const { plan, random } = planLine(world, asked);
  const responseId = responseIdOf('line', world.seed, context.batch, line.index, nth);
  const drawn = await drawParts(
    { ...world, settings: context.settings },
    {
      model: context.model,
      request,
      plan,
      owner: responseId,
      imageBytes: readDirective(request.prompt).image_bytes,
      random,
      ...(nth > 0 && { copy: nth + 1 }),
    },
  );
  const { cloudAt } = context;
  const clouded = cloudAt === undefined ? {} : { cloudAt };
  const { mime } = context.model;
  return toResponse({ plan, responseId, serviceTier: request.serviceTier, mime, ...clouded, ...drawn });
}

function planLine(
  { seed }: Pick<World, 'seed'>,
  { context, line, request, nth }: Asked,
): { plan: Plan; random: Random } {
  const { batch, model, settings } = context;
  const { fault, index } = line;
  const random = createRandom(seed, 'line', batch, index, nth);
  const content = fault && isContent(fault) ? fault : undefined;
  return { plan: planAnswer(model, request, { fault: content, chances: settings, random }), random };
}
