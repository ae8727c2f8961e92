/** Everything the routes share. */
import { createSigner, type Signer } from './answer/signature.ts';
import type { FaultRule } from './faults/rules.ts';
import { createFaultScript, type FaultScript } from './faults/script.ts';
import { createFiles, type Files } from './files.ts';
import { createHold, type Hold } from './hold.ts';
import { createPictures, type Pictures } from './image/render.ts';
import { createJournal, type Journal } from './journal.ts';
import { createQuota, type Quota } from './quota.ts';
import type { Settings } from './settings.ts';

export type World = {
  seed: string;
  /** Epoch milliseconds; may be a virtual clock. */
  now: () => number;
  /** Replaced as a whole when changed. */
  settings: Settings;
  faults: FaultScript;
  quota: Quota;
  journal: Journal;
  files: Files;
  hold: Hold;
  pictures: Pictures;
  sign: Signer;
  /** Aborted when the emulator closes: ends every wait. */
  closing: AbortSignal;
};

type Start = { seed: string; now: () => number; settings: Settings; faults: FaultRule[]; closing: AbortSignal };

export function createWorld({ faults, ...start }: Start): World {
  return {
    ...start,
    faults: createFaultScript(start.seed, faults),
    quota: createQuota(start.now),
    journal: createJournal(start.now),
    files: createFiles(),
    hold: createHold(),
    pictures: createPictures(start.seed),
    sign: createSigner(start.seed),
  };
}
