import type { Manner } from '../http/send.ts';
import type { Fault } from './rules.ts';

const DRIP_MS = 2_000;
const DRIP_PIECES = 20;

/** How an answer travels under a fault; `undefined` = as it should. */
export function mannerOf(fault: Fault | undefined): Manner | undefined {
  if (fault?.kind === 'cut_body') {
    const { atByte, fraction = 0.5 } = fault;
    return atByte === undefined ? { type: 'cut', fraction } : { type: 'cut', atByte };
  }
  if (fault?.kind === 'malformed_json') return { type: 'half' };
  if (fault?.kind !== 'slow_drip') return undefined;
  return { type: 'drip', overMs: fault.overMs ?? DRIP_MS, pieces: fault.pieces ?? DRIP_PIECES };
}
