/** What looks after records: it ends what nobody else will, moves what is over, and tells of what goes wrong. */

import { type ActionsDeps, createActionRounds } from './actions.ts';
import { type AlertDeps, alertsOnce } from './alerts.ts';
import { type ArchiveDeps, archiveOnce } from './archive.ts';
import { archiveEventsOnce, type EventSweepDeps, forgetEventsOnce } from './events.ts';
import { type IngestSweepDeps, sweepIngestsOnce } from './ingests.ts';
import { loop } from './loop.ts';
import { type SweepDeps, sweepOnce } from './sweep.ts';
import { type UsedDaysDeps, usedDaysOnce } from './used-days.ts';

export type SweeperDeps = SweepDeps &
  ArchiveDeps &
  IngestSweepDeps &
  EventSweepDeps &
  UsedDaysDeps &
  Omit<ActionsDeps, 'events'> & { alerting: AlertDeps };

const SWEEP_MS = 2_000;
const ACTIONS_MS = 500;
const INGESTS_MS = 60_000;
const EVENTS_MS = 5_000;
const USED_DAYS_MS = 5_000;
const OLD_EVENTS_MS = 3_600_000;

/** Runs until draining; any number of workers may. */
export function runSweeper(deps: SweeperDeps): Promise<void>[] {
  const { alerting, log, draining } = deps;
  const actions = createActionRounds({ ...deps, events: deps.events.log });
  return [
    loop('sweep', SWEEP_MS, () => sweepOnce(deps), log, draining),
    loop('alerts', alerting.everyMs, () => alertsOnce(alerting), log, draining),
    loop('used_days', USED_DAYS_MS, () => usedDaysOnce(deps), log, draining),
    loop('archive', SWEEP_MS, () => archiveOnce(deps, draining), log, draining),
    loop('actions', ACTIONS_MS, actions, log, draining),
    loop('ingests', INGESTS_MS, () => sweepIngestsOnce(deps), log, draining),
    loop('events', EVENTS_MS, () => archiveEventsOnce(deps, draining), log, draining),
    loop('old_events', OLD_EVENTS_MS, () => forgetEventsOnce(deps), log, draining),
  ];
}
