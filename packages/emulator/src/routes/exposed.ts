/** Puts the fault script in front of a route that makes no image. */
import { mannerOf } from '../faults/manner.ts';
import { type Fault, isRefused } from '../faults/rules.ts';
import type { Subject } from '../faults/script.ts';
import { type Call, hang, refuseByFault, reset } from './call.ts';

type Handler = (call: Call) => Promise<void>;

export function exposed(handle: Handler): Handler {
  return async (call) => {
    const fault = call.world.faults.choose(subjectOf(call));
    if (!(await strike(call, fault))) await handle(call);
  };
}

/** What a rule can match on: also the batch whose output is asked for. */
export function subjectOf({ world, entry, params, mode, project }: Call): Subject {
  const { file, model } = params;
  const batch = world.batches.find(params['batch'] ?? /^batch-(.*)/.exec(file ?? '')?.[1] ?? '');
  return {
    route: entry.route,
    mode,
    project,
    ...(model !== undefined && { model }),
    ...(file !== undefined && { file }),
    ...(batch && { batch: batch.id, displayName: batch.displayName, model: batch.model.id }),
  };
}

/**
 * Lets a fault strike: at once, or once the route has done what was asked for.
 *
 * @returns whether the call is over
 */
export async function strike(call: Call, fault: Fault | undefined): Promise<boolean> {
  if (!fault) return false;
  call.world.journal.update(call.entry, { fault: fault.kind });
  const answer = answerInstead(call, fault);
  if (answer?.before) {
    await answer.act();
    return true;
  }
  call.instead = answer?.act;
  call.manner = mannerOf(fault);
  if (fault.kind === 'cut_request') call.requestBytesMax = fault.atByte;
  if (fault.kind === 'stale_list') call.staleMs = fault.ms;
  return false;
}

type Instead = { act: () => void | Promise<void>; before: boolean };

function answerInstead(call: Call, fault: Fault): Instead | undefined {
  if (isRefused(fault)) return { act: () => refuseByFault(call, fault), before: !fault.billed };
  if (fault.kind === 'reset') return { act: () => reset(call), before: true };
  if (fault.kind === 'reset_after_billing') return { act: () => reset(call), before: false };
  if (fault.kind === 'hang') return { act: () => hang(call), before: fault.billed === false };
  return undefined;
}
