/** The channels that may carry a job, as they stand. */

import {
  type Candidate,
  type ChannelChoice,
  type ChannelSpec,
  chooseChannel,
  costOf,
  eligible,
  estimateOn,
  type Job,
  type JobRequest,
  modelOf,
  type Refusal,
} from '../domain/index.ts';
import type { Clock } from '../ports/index.ts';
import type { Places, Seen } from './places.ts';

export type CandidatesDeps = {
  channels: { specs: readonly ChannelSpec[] };
  places: Pick<Places, 'of'>;
  clock: Clock;
  /** Uniform in [0, 1). */
  random: () => number;
};

/** What the channels are asked for: the request, of the model that makes it now. */
export function requestNow(job: Job): JobRequest {
  return job.state.model ? { ...job.request, model: job.state.model } : job.request;
}

export type Candidates = { candidates: Candidate[]; refusals: Refusal[] };

/** `model` = in the place of its own. `look` = however few there are, see how they stand. */
export type CandidatesOptions = { model?: string; look?: boolean };

/** Those that could carry it in the standard lane. */
export async function candidatesFor(
  deps: Omit<CandidatesDeps, 'random' | 'clock'>,
  job: Job,
  { model = modelOf(job), look = false }: CandidatesOptions = {},
): Promise<Candidates> {
  const request = { ...job.request, model };
  const { channels, refusals } = eligible(request, { model, lane: 'standard' }, deps.channels.specs);
  const places = channels.map(({ spec }) => ({ channel: spec.id, model }));
  // The only one is asked itself, whatever was seen of it lately; but where a chain goes on, how it stands says whether to.
  const isLooked = look || channels.length > 1 || (job.request.routing?.models?.length ?? 0) > 1;
  const seen = isLooked ? await deps.places.of(places) : [];
  const candidates = channels.map(({ spec, served }, n) => ({
    spec,
    served,
    place: { channel: spec.id, model },
    cost: estimateOn(served, request, 'standard'),
    failed: failuresAt(job, spec.id, model),
    ...standingOf(seen[n]),
  }));
  return { candidates, refusals };
}

type Standing = Pick<Candidate, 'enterAt' | 'readyAt'> & Partial<Pick<Candidate, 'out' | 'override' | 'waitsFor'>>;

function standingOf(seen: Seen | undefined): Standing {
  if (!seen) return { enterAt: 0, readyAt: 0 };
  const { standing, quota, at } = seen;
  return {
    enterAt: at + standing.waitMs,
    readyAt: at + quota.waitMs,
    ...(standing.out && { out: standing.out }),
    ...(standing.override && { override: standing.override }),
    ...(quota.pause && { waitsFor: quota.pause.reason }),
  };
}

/** Calls of the job that came to nothing there. A refusal by a limit says nothing of the next call. */
export function failuresAt({ state }: Job, channel: string, model: string): number {
  return state.attempts.filter(
    (one) =>
      one.channel === channel &&
      one.model === model &&
      (one.state === 'rejected' || one.state === 'in_doubt' || one.error === 'no_image') &&
      one.error !== 'upstream_rate_limited',
  ).length;
}

/** What `max_cost` leaves for one more call. */
export function moneyLeft({ request, state }: Job): number | undefined {
  if (request.maxCost === undefined) return undefined;
  const { actual, inDoubt } = costOf(state);
  return request.maxCost - actual - inDoubt;
}

/** Whether what is left of `max_cost` pays for a call there. */
export function isPayable(job: Job, { cost }: Pick<Candidate, 'cost'>): boolean {
  return cost <= (moneyLeft(job) ?? Number.POSITIVE_INFINITY);
}

/** Which channels to ask for leave, in which order. */
export async function chooseFor(
  deps: CandidatesDeps,
  job: Job,
  options?: Pick<CandidatesOptions, 'look'>,
): Promise<ChannelChoice> {
  const { candidates, refusals } = await candidatesFor(deps, job, options);
  return chooseChannel({ candidates, refusals, now: deps.clock.now(), room: moneyLeft(job), random: deps.random });
}
