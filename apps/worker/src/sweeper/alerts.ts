/**
 * Alerts, for operators who watch nothing: figures that hold over all workers are looked at, and what they raise or resolve
 * is told as events to one tenant.
 *
 * What is told lies where the events lie, and both are written by one script. So any number of sweepers may look, and a
 * crash at any moment leaves an alert told or not told, never half.
 */

import {
  type AlertNote,
  errorRate,
  latencyP99,
  type Micros,
  MODELS,
  type Observation,
  standingOf,
  type Telling,
  type Tenant,
  tellOf,
  tellOfRetirement,
} from '@darkroom/shared/domain';
import type { Log } from '@darkroom/shared/observability';
import type { Alerts, Clock, Ledger } from '@darkroom/shared/ports';

/** Above which figures an operator is woken, in the units of the alerts; 0 = never. */
export type AlertRules = {
  errorRate: number;
  p99Seconds: number;
  failovers: number;
  queueAgeSeconds: number;
  inDoubtUsd: number;
  retirementDays: readonly number[];
};

export type AlertDeps = {
  alerts: Alerts;
  ledger: Pick<Ledger, 'tenants' | 'totals' | 'dueSince'>;
  clock: Clock;
  log: Log;
  /** Whose log it is told in. */
  tenant: Tenant;
  rules: AlertRules;
  /** Between two looks. */
  everyMs: number;
};

/** A turn is over before the next look of the one that had it. */
const TURN = 0.8;
const MICROS = 1_000_000;

/** Looks once, unless somebody else just has. @returns how many events were told */
export async function alertsOnce(deps: AlertDeps): Promise<number> {
  const { alerts, tenant, everyMs } = deps;
  if (!(await alerts.takeTurn(everyMs * TURN))) return 0;
  const stateOf = await alerts.states(tenant);
  const now = deps.clock.now();
  const figures = [...(await ofCalls(deps)), ...(await ofFailovers(deps)), ...(await ofLedger(deps))];
  const tellings = figures.map((seen) => tellOf(seen, stateOf(seen), now));
  const ending = (await retirements(deps)).map((one) =>
    tellOfRetirement(one, deps.rules.retirementDays, stateOf({ alert: 'model_retirement', model: one.model }), now),
  );
  let told = 0;
  for (const telling of [...tellings, ...ending])
    if (telling && (await alerts.tell(tenant, telling))) {
      told++;
      report(deps.log, telling);
    }
  return told;
}

async function ofCalls({ alerts, rules }: AlertDeps): Promise<Observation[]> {
  const { errorRate: mayFail, p99Seconds } = rules;
  if (!mayFail && !p99Seconds) return [];
  const calls = await alerts.calls();
  return calls.flatMap((counts) => [
    ...(mayFail ? [errorRate(counts, mayFail)] : []),
    ...(p99Seconds ? [latencyP99(counts, p99Seconds)] : []),
  ]);
}

async function ofFailovers({ alerts, rules: { failovers } }: AlertDeps): Promise<Observation[]> {
  return failovers ? [observe('failovers', await alerts.failovers(), failovers)] : [];
}

async function ofLedger(deps: AlertDeps): Promise<Observation[]> {
  const { queueAgeSeconds, inDoubtUsd } = deps.rules;
  if (!queueAgeSeconds && !inDoubtUsd) return [];
  const { ageMs, inDoubt } = await lookAtLedger(deps);
  const grown = await deps.alerts.doubtGrown(inDoubt);
  return [
    ...(queueAgeSeconds ? [observe('queue_age', Math.round(ageMs / 1_000), queueAgeSeconds)] : []),
    ...(inDoubtUsd ? [observe('money_in_doubt', grown / MICROS, inDoubtUsd)] : []),
  ];
}

function observe(alert: Observation['alert'], value: number, threshold: number): Observation {
  return { alert, value, threshold, standing: standingOf(value, threshold) };
}

async function lookAtLedger({ ledger, clock }: AlertDeps): Promise<{ ageMs: number; inDoubt: Micros }> {
  let inDoubt = 0;
  let oldest = clock.now();
  for (const tenant of await ledger.tenants()) {
    const [totals, since] = await Promise.all([ledger.totals(tenant), ledger.dueSince(tenant, clock.now())]);
    inDoubt += totals.inDoubtCost;
    oldest = Math.min(oldest, since ?? oldest);
  }
  return { ageMs: clock.now() - oldest, inDoubt };
}

/** Of the models that are in use. */
async function retirements({ alerts, rules }: AlertDeps) {
  if (!rules.retirementDays.length) return [];
  const inUse = await alerts.modelsInUse();
  return MODELS.flatMap(({ id: model, retiresOn, successor }) =>
    retiresOn && inUse.has(model)
      ? [{ model, retiresOn, retiresAt: Date.parse(retiresOn), ...(successor && { successor }) }]
      : [],
  );
}

function report(log: Log, { type, note }: Telling): void {
  const { again, ...fields }: AlertNote = note;
  const isOver = type === 'channel.recovered' || type === 'alert.resolved';
  log[isOver ? 'info' : 'warn']({ ...fields, ...(again && { again }) }, type);
}
