/** How a bad time is told: whom it strikes, and what it is like while it lasts. */
import { z } from 'zod';
import { MODES } from '../mode.ts';
import { ROUTE_NAMES } from '../routes/names.ts';
import { Fault, isRefused } from './rules.ts';

/** A year: of the emulator's own time, which may go fast. */
const SPAN_MS_MAX = 366 * 24 * 3_600_000;
const factor = z.number().min(0).max(1_000);

/** What an outage may do to a call: an error answer, or a connection that comes to nothing. */
const OutageFault = Fault.refine((fault) => isRefused(fault) || WITHOUT_ANSWER.has(fault.kind), {
  error: 'must be an error answer, reset, reset_after_billing or hang',
});
const WITHOUT_ANSWER: ReadonlySet<string> = new Set(['reset', 'reset_after_billing', 'hang']);

const Phase = z.strictObject({
  ms: z.number().int().min(1).max(SPAN_MS_MAX),
  /** Of all calls, how many are struck. Default 0: nothing but slower. */
  share: z.number().min(0).max(1).default(0),
  fault: OutageFault.default({ kind: 'overloaded' }),
  /** Factor on the models' latencies; of two, it goes evenly from the first to the second. Default 1. */
  latency: z.union([factor, z.tuple([factor, factor])]).default(1),
});
export type Phase = z.infer<typeof Phase>;

export const Outage = z.strictObject({
  /** One that is started under the same name takes its place. */
  name: z.string().regex(/^[\w-]{1,60}$/, 'letters, digits, _ and -, at most 60'),
  /** Every condition given must hold; none = every call. */
  match: z
    .strictObject({
      project: z.string().optional(),
      mode: z.enum(MODES).optional(),
      route: z.enum(ROUTE_NAMES).optional(),
      model: z.string().optional(),
    })
    .default({}),
  /** The time it keeps: the emulator's own, or that outside. */
  clock: z.enum(['own', 'outside']).default('own'),
  /** It begins so much later. */
  afterMs: z.number().int().min(0).max(SPAN_MS_MAX).default(0),
  /** One after the other; then it is over. */
  phases: z.array(Phase).min(1).max(100),
  /** How often it goes through all of them. */
  times: z.number().int().min(1).max(10_000).default(1),
  /** No phase is longer or shorter than told by more than this share of it; drawn from the emulator's seed. */
  jitter: z.number().min(0).max(0.9).default(0),
});
export type Outage = z.infer<typeof Outage>;
export type OutageInput = z.input<typeof Outage>;

export const Outages = z.array(Outage).max(100);
