/** What callers asked to be done to many jobs: a page of each open action in turn, so that a large one holds up no other. */

import type { ActionId } from '@darkroom/shared/domain';
import { describeError, type Log } from '@darkroom/shared/observability';
import type { Ledger } from '@darkroom/shared/ports';
import { type StepActionDeps, stepAction } from '@darkroom/shared/usecases';
import { each } from './each.ts';

export type ActionsDeps = StepActionDeps & {
  ledger: Ledger;
  log: Log;
  /** Aborted when the process begins to stop: no new page is begun. */
  draining: AbortSignal;
};

/** Actions side by side. */
const WIDTH = 4;
/** What a dead worker was at is taken over after this; far more than a page takes. */
const HOLD_MS = 30_000;
/** An action that a step failed for is left alone for so long. */
const AGAIN_MS = 15_000;
/** Between two looks for actions that are long over. */
const FORGET_MS = 60_000;

/** @returns one round: goes on with every open action until none has more to do, then drops those that are long over */
export function createActionRounds(deps: ActionsDeps): () => Promise<void> {
  const { actions, clock, draining, log } = deps;
  const leftAlone = new Map<ActionId, number>();
  const pass = async (): Promise<boolean> => {
    for (const [id, until] of leftAlone) if (until <= clock.now()) leftAlone.delete(id);
    const open = (await actions.open()).filter(({ id }) => !leftAlone.has(id));
    let more = false;
    const failed = await each(open, WIDTH, async ({ tenant, id }) => {
      if (draining.aborted) return;
      await using held = await actions.hold(tenant, id, HOLD_MS);
      const stepped = held && (await stepAction(deps, tenant, id));
      if (!stepped) return;
      if (stepped.more) more = true;
      else log.info({ tenant, action: id, status: stepped.action.status, ...stepped.action.counts }, 'action.ended');
    });
    for (const { item, error } of failed) {
      leftAlone.set(item.id, clock.now() + AGAIN_MS);
      log.warn({ tenant: item.tenant, action: item.id, ...describeError(error) }, 'action.step_failed');
    }
    return more;
  };
  let forgetAt = 0;
  return async () => {
    while (!draining.aborted && (await pass()));
    if (clock.now() < forgetAt) return;
    forgetAt = clock.now() + FORGET_MS;
    for (const tenant of await deps.ledger.tenants()) await actions.forget(tenant, clock.now());
  };
}
