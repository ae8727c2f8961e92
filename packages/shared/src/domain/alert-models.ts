/** Which end of a model is told of, some days before it. Pure. */

import type { AlertState, Telling } from './alert.ts';
import type { EpochMs } from './job.ts';

const DAY_MS = 86_400_000;

/** A model whose day is known. */
export type Retirement = { model: string; retiresOn: string; retiresAt: EpochMs; successor?: string };

/**
 * What is to be told of a model that ends: once for each of the days before. Of days that went by unseen, the last one
 * speaks for all; a model that should have ended already is told of once. When the day is moved, all begins anew.
 *
 * @param days before the end, in any order; none = never
 */
export function tellOfRetirement(
  { model, retiresOn, retiresAt, successor }: Retirement,
  days: readonly number[],
  state: AlertState | undefined,
  now: EpochMs,
): Telling | undefined {
  const left = Math.ceil((retiresAt - now) / DAY_MS);
  const passed = days.filter((day) => left <= day);
  if (!passed.length) return undefined;
  const threshold = Math.min(...passed);
  const noticed = state?.noticed;
  if (noticed?.retiresOn === retiresOn && noticed.days <= threshold) return undefined;
  const subject = { alert: 'model_retirement', model } as const;
  const ends = { retiresOn, ...(successor !== undefined && { successor }) };
  return {
    subject,
    type: 'model.retiring',
    note: { ...subject, value: left, threshold, since: now, ...ends },
    next: { version: (state?.version ?? 0) + 1, noticed: { days: threshold, retiresOn } },
  };
}
