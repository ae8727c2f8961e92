/** What happens to channels, told to the tenant of the operator as alerts are, and in the log. */

import {
  type AlertState,
  type AlertSubject,
  channelSubject,
  type Parking,
  type Place,
  type Telling,
  type Tenant,
  type Transition,
  tellOfParking,
  tellOfTransition,
} from '../domain/index.ts';
import type { Log } from '../observability/log.ts';
import type { Alerts } from '../ports/index.ts';

export type ChannelTellerDeps = { alerts: Pick<Alerts, 'states' | 'tell'>; log: Log; tenant: Tenant };

export type ChannelTeller = {
  /** What `Breakers.note` answered. @returns whether it was news */
  tell(change: Transition): Promise<boolean>;
  /** A limit, the provider's or a configured one, keeps everybody away from a place or its channel: told once a pause, from a minute on. */
  parked(place: Place, parking: Parking): Promise<boolean>;
  /** An operator has closed the breakers of a channel: whatever was told of these models there, or of all of it, is over. */
  closed(channel: string, models: readonly string[]): Promise<void>;
};

/** Others may tell of the same thing meanwhile: then what they told is looked at, and once more. */
const TRIES = 3;

/** Writes each event together with the state of its alert, so it is told once by however many. */
export function createChannelTeller({ alerts, log, tenant }: ChannelTellerDeps): ChannelTeller {
  const tell = async (subject: AlertSubject, decide: (state: AlertState | undefined) => Telling | undefined) => {
    for (let n = 0; n < TRIES; n++) {
      const telling = decide((await alerts.states(tenant))(subject));
      if (!telling) return false;
      if (!(await alerts.tell(tenant, telling))) continue;
      log[telling.type === 'channel.recovered' ? 'info' : 'warn'](telling.note, telling.type);
      return true;
    }
    return false;
  };
  const tellChange = (change: Transition) =>
    tell(channelSubject('breaker', change.place, change.wholeChannel), (state) => tellOfTransition(change, state));
  const closed = (place: Place, wholeChannel: boolean) =>
    tell(channelSubject('breaker', place, wholeChannel), (state) => {
      if (!state?.raised) return undefined;
      // Behind what was told, and before whatever the store tells next: no clock of ours comes between.
      const at = (state.changedAt ?? 0) + 1;
      const why = 'an operator has closed the breaker';
      const change: Transition = { place, to: 'recovered', why, at, breaker: 'closed' };
      return tellOfTransition({ ...change, ...(wholeChannel && { wholeChannel }) }, state);
    });
  return {
    tell: tellChange,
    parked: (place, parking) =>
      tell(channelSubject('quota_parked', place, parking.wholeChannel), (state) =>
        tellOfParking(place, parking, state),
      ),
    closed: async (channel, models) => {
      await closed({ channel, model: '' }, true);
      for (const model of models) await closed({ channel, model }, false);
    },
  };
}
