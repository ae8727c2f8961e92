import { type AlertNote, describeAlert, type LoggedType, UNIT_OF } from '../domain/index.ts';
import type { AlertEventData } from '../schemas/index.ts';

/** What an event about an alert says. */
export function presentAlert(type: LoggedType, note: AlertNote): AlertEventData {
  const {
    alert,
    channel,
    model,
    value,
    threshold,
    since,
    again,
    retiresOn,
    successor,
    why,
    breaker,
    errorRate,
    until,
  } = note;
  return {
    alert,
    ...(channel && { channel }),
    ...(model && { model }),
    ...(value !== undefined && { value, threshold, unit: UNIT_OF[alert] }),
    since: new Date(since).toISOString(),
    reminder: again ?? false,
    message: describeAlert(note, type === 'channel.recovered' || type === 'alert.resolved'),
    ...(retiresOn && { retires_on: retiresOn }),
    ...(successor && { successor }),
    ...(why && { why }),
    ...(breaker && { breaker }),
    ...(errorRate !== undefined && { error_rate: errorRate }),
    ...(until !== undefined && { until: new Date(until).toISOString() }),
  };
}
