/** The language of fault scripts: which call a rule is for, and what goes wrong with it. */
import { z } from 'zod';
import { MODES } from '../mode.ts';
import { ROUTE_NAMES } from '../routes/names.ts';
import { Course } from './course.ts';
import { REFUSAL_KINDS } from './refusals.ts';

const ms = z.number().int().min(0).max(3_600_000);
const YEAR_MS = 366 * 24 * 3_600_000;

export const FINISH_REASONS = [
  'MAX_TOKENS',
  'SAFETY',
  'RECITATION',
  'LANGUAGE',
  'OTHER',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'MALFORMED_FUNCTION_CALL',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'NO_IMAGE',
  'IMAGE_RECITATION',
  'IMAGE_OTHER',
  'UNEXPECTED_TOOL_CALL',
  'TOO_MANY_TOOL_CALLS',
  'MALFORMED_RESPONSE',
] as const;
export type FinishReason = 'STOP' | (typeof FINISH_REASONS)[number];

const BLOCK_REASONS = ['SAFETY', 'OTHER', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'IMAGE_SAFETY'] as const;

/** How an answer without parts spells its emptiness. */
export const EMPTY_CONTENTS = ['empty', 'role', 'null_parts', 'missing'] as const;
export type EmptyContent = (typeof EMPTY_CONTENTS)[number];

/** An error answer; nothing is done or billed, unless `billed` says that all of it is. */
const Refused = z.strictObject({
  kind: z.enum(REFUSAL_KINDS),
  /** Answered this late. */
  afterMs: ms.optional(),
  /** How the body is written: Google's JSON, that in an array, no bytes under a JSON type, or the front end's HTML. */
  body: z.enum(['json', 'array', 'empty', 'html']).optional(),
  /** RetryInfo of a 429. */
  retryMs: z.number().min(0).optional(),
  /** A `Retry-After` header, in seconds; Google sends none. */
  retryAfter: z.number().int().min(0).optional(),
  /** What was asked for was done, and charged, all the same. */
  billed: z.boolean().optional(),
});

const TRANSPORT = [
  /** The connection is reset before anything was done. */
  z.strictObject({ kind: z.literal('reset') }),
  /** What was asked for is done (and charged), then the connection is reset before the first byte. */
  z.strictObject({ kind: z.literal('reset_after_billing') }),
  /** The answer breaks off after `fraction` of its bytes, or `atByte`. */
  z.strictObject({
    kind: z.literal('cut_body'),
    fraction: z.number().min(0).lt(1).optional(),
    atByte: z.number().int().min(0).optional(),
  }),
  /** Of an upload's chunk `atByte` bytes arrive, then the connection is reset. */
  z.strictObject({ kind: z.literal('cut_request'), atByte: z.number().int().min(0) }),
  /** The answer comes whole, in `pieces` spread over `overMs`. */
  z.strictObject({
    kind: z.literal('slow_drip'),
    overMs: ms.optional(),
    pieces: z.number().int().min(2).max(1000).optional(),
  }),
  /** No answer, ever; done and charged unless `billed` is false. */
  z.strictObject({ kind: z.literal('hang'), billed: z.boolean().optional() }),
  /** A 200 whose JSON ends in the middle, under a connection that ends well. */
  z.strictObject({ kind: z.literal('malformed_json') }),
] as const;

const CONTENT = [
  /** A 200 without an image. `charged: false` says so in its message. */
  z.strictObject({
    kind: z.literal('blocked'),
    finishReason: z.enum(FINISH_REASONS),
    content: z.enum(EMPTY_CONTENTS).optional(),
    message: z.string().max(2000).optional(),
    charged: z.boolean().optional(),
  }),
  /** A 200 that refuses the prompt itself. */
  z.strictObject({
    kind: z.literal('prompt_blocked'),
    blockReason: z.enum(BLOCK_REASONS),
    candidates: z.enum(['absent', 'empty']).optional(),
  }),
  z.strictObject({ kind: z.literal('no_image'), content: z.enum(EMPTY_CONTENTS).optional() }),
  /** STOP, and no parts at all. */
  z.strictObject({ kind: z.literal('empty_answer'), content: z.enum(EMPTY_CONTENTS).optional() }),
  z.strictObject({ kind: z.literal('text_only') }),
  z.strictObject({ kind: z.literal('with_text') }),
  /** Interim images before the result, unflagged and charged. */
  z.strictObject({ kind: z.literal('drafts'), count: z.number().int().min(1).max(9).optional() }),
  /** A flagged image after the result. */
  z.strictObject({ kind: z.literal('thought_image') }),
  z.strictObject({ kind: z.literal('wrong_model_version'), modelVersion: z.string().max(100).optional() }),
  z.strictObject({ kind: z.literal('missing_usage') }),
  /** A chat, or OpenRouter's images, answers 200 and says in it that it failed: in the first choice, or at the top. */
  z.strictObject({
    kind: z.literal('error_in_200'),
    at: z.enum(['choice', 'top']).default('choice'),
    code: z.number().int().min(400).max(599).optional(),
    message: z.string().max(2000).optional(),
  }),
  /** Nothing wrong, but late; not scaled. */
  z.strictObject({ kind: z.literal('slow'), ms }),
] as const;

/** What goes wrong with one line of a batch, beside all that can go wrong with an answer. */
const LINE = [
  /** An error in place of the answer, by gRPC code. */
  z.strictObject({
    kind: z.literal('line_error'),
    code: z.number().int().min(1).max(16),
    message: z.string().max(2000).optional(),
  }),
  /** Not in the output; nothing is charged unless `billed`. */
  z.strictObject({ kind: z.literal('line_missing'), billed: z.boolean().optional() }),
  /** In the output `count` times, each time with another image, each of them charged. */
  z.strictObject({ kind: z.literal('line_duplicated'), count: z.number().int().min(2).max(100).optional() }),
  /** Followed by `count` lines under keys that nobody sent, each of them charged. */
  z.strictObject({ kind: z.literal('line_stray'), count: z.number().int().min(1).max(100).optional() }),
  /** In the output without its key. */
  z.strictObject({ kind: z.literal('line_keyless') }),
] as const;

const BATCH = [
  /** Chosen when a batch is created, beside any fault of the call that creates it. */
  z.strictObject({ kind: z.literal('course'), ...Course.shape }),
  /** The list shows batches as they stood `ms` ago in the emulator's time. */
  z.strictObject({ kind: z.literal('stale_list'), ms: z.number().int().min(0).max(YEAR_MS) }),
  /** A webhook is sent `copies` times, `afterMs` later in the emulator's time, or `never`. */
  z.strictObject({
    kind: z.literal('delivery'),
    copies: z.number().int().min(1).max(20).optional(),
    afterMs: z.number().int().min(0).max(YEAR_MS).optional(),
    never: z.boolean().optional(),
  }),
] as const;

export const Fault = z.discriminatedUnion('kind', [Refused, ...TRANSPORT, ...CONTENT, ...LINE, ...BATCH]);
export type Fault = z.infer<typeof Fault>;
export type ContentFault = z.infer<(typeof CONTENT)[number]>;
export type LineFault = z.infer<(typeof LINE)[number]>;
export type RefusedFault = z.infer<typeof Refused>;

export const FaultRule = z.strictObject({
  /**
   * Every condition given must hold; none = every call of every route. Lines of a batch are no calls: a rule strikes
   * them when it names the route `batch_line`, or a fault that only a line can have.
   */
  match: z
    .strictObject({
      route: z.enum(ROUTE_NAMES).optional(),
      mode: z.enum(MODES).optional(),
      project: z.string().optional(),
      model: z.string().optional(),
      promptIncludes: z.string().min(1).optional(),
      /** The id of a file, without `files/`. */
      file: z.string().optional(),
      /** The id of a batch, without `batches/`; also of the batch whose output is downloaded. */
      batch: z.string().optional(),
      displayNameIncludes: z.string().min(1).optional(),
      /** Of the line of a batch. */
      keyIncludes: z.string().min(1).optional(),
      /** Only the nth call, from 1, that meets the other conditions. */
      nth: z.number().int().min(1).optional(),
    })
    .optional(),
  /** Of each matching call, drawn from the emulator's seed. Default 1. */
  probability: z.number().min(0).max(1).optional(),
  /** The rule is spent after this many faults. */
  times: z.number().int().min(1).optional(),
  fault: Fault,
});
export type FaultRule = z.infer<typeof FaultRule>;

export const FaultRules = z.array(FaultRule).max(1000);

const CONTENT_KINDS: ReadonlySet<string> = new Set(CONTENT.map(({ shape }) => shape.kind.value));
const LINE_KINDS: ReadonlySet<string> = new Set(LINE.map(({ shape }) => shape.kind.value));
const REFUSALS: ReadonlySet<string> = new Set(REFUSAL_KINDS);

/** The fault changes what a 200 says. */
export function isContent(fault: Fault): fault is ContentFault {
  return CONTENT_KINDS.has(fault.kind);
}

/** The fault is one that only the line of a batch can have. */
export function isOfLine(fault: Fault): fault is LineFault {
  return LINE_KINDS.has(fault.kind);
}

/** The fault is an error answer. */
export function isRefused(fault: Fault): fault is RefusedFault {
  return REFUSALS.has(fault.kind);
}
