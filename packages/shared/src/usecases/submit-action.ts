import {
  type Action,
  type ActionId,
  AppError,
  type JobsOrder,
  newAction,
  shortDigest,
  type Tenant,
  unreachable,
} from '../domain/index.ts';
import type { Actions, Clock, JobWalk } from '../ports/index.ts';
import type { ActionPreview, CreateActionBody } from '../schemas/index.ts';
import { readAction } from './control-action.ts';
import { toJobFilter } from './list-jobs.ts';
import { countJobs } from './walk-action.ts';

export type SubmitActionDeps = {
  actions: Actions;
  walk: JobWalk;
  clock: Clock;
  newActionId: () => ActionId;
  /** How long a job that is made again may take. */
  deadlineMs: number;
};

export type ActionSubmission = {
  tenant: Tenant;
  body: CreateActionBody;
  idempotencyKey?: string;
  /** Id of the key it came with, where that has bounds of its own. */
  key?: string;
};

/** How many jobs it would be done to; nothing is done. @throws AppError `invalid_request` for an unknown model */
export async function previewAction(
  deps: SubmitActionDeps,
  tenant: Tenant,
  body: CreateActionBody,
): Promise<ActionPreview> {
  const order = toOrder(body, deps);
  const { count, atLeast } = await countJobs(deps.walk, { tenant, order, createdAt: deps.clock.now() });
  return { preview: true, action: body.action, count, at_least: atLeast };
}

/**
 * Accepts an action, once per key: when this resolves it is durable, and a worker gets on with it.
 *
 * @throws AppError `invalid_request`, `idempotency_key_reused`, or `conflict` (retryable) when too many are open
 */
export async function submitAction(
  deps: SubmitActionDeps,
  { tenant, body, idempotencyKey, key }: ActionSubmission,
): Promise<{ action: Action; replayed: boolean }> {
  const order = toOrder(body, { deadlineMs: deps.deadlineMs, ...(key && { key }) });
  const createdAt = deps.clock.now();
  const expected = await countJobs(deps.walk, { tenant, order, createdAt });
  const action = newAction({ id: deps.newActionId(), tenant, order, createdAt, expected });
  return acceptAction(deps.actions, action, idempotencyKey && { key: idempotencyKey, bodyHash: shortDigest(body) });
}

/** Once per key. @throws AppError `idempotency_key_reused`, or `conflict` (retryable) when too many are open */
export async function acceptAction(
  actions: Actions,
  action: Action,
  idempotency: { key: string; bodyHash: string } | '' | undefined,
): Promise<{ action: Action; replayed: boolean }> {
  const admission = await actions.accept(action, idempotency || undefined);
  switch (admission.type) {
    case 'created':
      return { action, replayed: false };
    case 'replayed':
      return { action: await readAction(actions, action.tenant, admission.id), replayed: true };
    case 'reused':
      throw new AppError('idempotency_key_reused', {
        message: 'This Idempotency-Key was used before with another body.',
        param: 'Idempotency-Key',
        fix: 'Send the first body again, or choose a new key.',
      });
    case 'full':
      throw new AppError('conflict', {
        message: 'Too many of your actions are open already.',
        fix: 'Wait until one of them is over, or abort one: GET /v1/actions lists them.',
        retryable: true,
        retryAfterMs: 10_000,
      });
    default:
      return unreachable(admission);
  }
}

function toOrder(
  { action, filter: fields, priority = 0 }: CreateActionBody,
  { deadlineMs, key }: { deadlineMs: number; key?: string },
): JobsOrder {
  const filter = toJobFilter(fields, 'filter.model');
  switch (action) {
    case 'cancel':
      return { action, filter };
    case 'retry':
      return { action, filter, deadlineMs, ...(key && { key }) };
    case 'reprioritise':
      return { action, filter, priority };
    default:
      return unreachable(action);
  }
}
