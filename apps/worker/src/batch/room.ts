import type { EpochMs, Place, ProviderBatch, ProviderBatchState } from '@darkroom/shared/domain';
import type { PlanRules } from './deps.ts';

const ENQUEUED: ReadonlySet<ProviderBatchState> = new Set(['sealing', 'sealed', 'creating', 'submitted']);
/** As many chunks of a model that do not move, and it gets no more. */
const STUCK_MAX = 3;
/** Of the allowance: below it nothing is cut, or a full account would get a chunk for every job that ends. */
const WORTH_CUTTING = 0.25;

/** What one more chunk may hold. */
export type Room = { lines: number; tokens: number };

type Allowance = Pick<PlanRules, 'limits' | 'stuckMs'> & { slots: number; enqueuedTokens: number };

/** What one more chunk of a model may hold in an account; `undefined` = there must be none now. Pure. */
export function roomFor(
  open: ProviderBatch[],
  { channel, model }: Place,
  { slots, enqueuedTokens, limits, stuckMs }: Allowance,
  now: EpochMs,
): Room | undefined {
  const enqueued = open.filter((batch) => batch.channel === channel && ENQUEUED.has(batch.state));
  if (enqueued.length >= slots) return undefined;
  const own = enqueued.filter((batch) => batch.model === model);
  if (own.filter((batch) => isStuck(batch, stuckMs, now)).length >= STUCK_MAX) return undefined;
  const tokens = enqueuedTokens - own.reduce((sum, batch) => sum + batch.tokens, 0);
  if (own.length && tokens < enqueuedTokens * WORTH_CUTTING) return undefined;
  return { lines: limits.lines, tokens };
}

/** The provider has taken it and does not begin. */
function isStuck({ state, providerState, submittedAt }: ProviderBatch, stuckMs: number, now: EpochMs): boolean {
  return (
    state === 'submitted' &&
    submittedAt !== undefined &&
    now - submittedAt >= stuckMs &&
    /PENDING/.test(providerState ?? 'PENDING')
  );
}
