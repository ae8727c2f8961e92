/**
 * A job's place among those of its tenant: by priority, then deadline, then age, in one number that never has to change.
 *
 * Waiting raises the priority by one with each step of ten minutes. All gain at the same pace, so the order of two jobs
 * never turns, and the gain can be taken off the newcomers instead: what counts is the step in which a job was made, less
 * its priority. So whatever comes later than (10 − priority) steps after a job stands behind it: nothing starves.
 *
 * The number is a whole one below 2^53, as a sorted set keeps exactly: 23 bits of class (until the year 2129), 18 of
 * deadline (30 days in tens of seconds), 12 of age (in 1.5 seconds).
 */

import type { ChannelSpec } from './channel.ts';
import { eligible } from './eligible.ts';
import { type BatchId, type EpochMs, type Job, type JobId, modelOf, type Tenant } from './job.ts';

/** Names a waiting job in the lines. */
export type Stander = {
  tenant: Tenant;
  id: JobId;
  /** The caller's key, where it has limits of its own. */
  key?: string;
  model: string;
};

export type LineStanding = Stander & {
  /** Names its line: ids of the channels that could carry it, sorted, and `then:MODEL` for each that may make it instead. */
  channels: readonly string[];
  /** 1 (last) to 9 (first). */
  priority: number;
  expiresAt: EpochMs;
  /** When the job was made: how long it waits is counted from here, however often it left its line and came back. */
  since: EpochMs;
};

/** The line that jobs of a paused batch stand in, in the place of channels. */
export function pausedLine(batch: BatchId): string {
  return `paused:${batch}`;
}

export function standerOf(job: Job): Stander {
  const { tenant, id, request } = job;
  return { tenant, id, ...(request.key !== undefined && { key: request.key }), model: modelOf(job) };
}

/** Where a job of the standard lane stands, given the channels that there are. */
export function lineStandingOf(job: Job, specs: readonly ChannelSpec[]): LineStanding {
  const stander = standerOf(job);
  const { channels } = eligible(job.request, { model: stander.model, lane: 'standard' }, specs);
  const { priority } = job.request;
  const { expiresAt, createdAt } = job.state;
  return {
    ...stander,
    channels: lineFor(
      job,
      channels.map(({ spec }) => spec.id),
    ),
    priority,
    expiresAt,
    since: createdAt,
  };
}

/**
 * The line of a job that these channels could carry. Who may go on to another model stands apart from who may not: one that
 * has to wait must not hold up one that need not.
 */
export function lineFor(job: Job, channels: readonly string[]): string[] {
  const chain = job.request.routing?.models ?? [];
  const rest = chain.slice(chain.indexOf(modelOf(job)) + 1);
  return [...channels.toSorted(), ...rest.map((model) => `then:${model}`)];
}

/** Waiting this long is worth one priority. */
export const AGING_MS = 600_000;

const PRIORITY_MAX = 9;
const DEADLINE_MS = 10_000;
const DEADLINES = 2 ** 18;
const AGES = 2 ** 12;
/** The instants at which jobs of one class can have been made. */
const CLASS_MS = (PRIORITY_MAX + 1) * AGING_MS;

/** Lower goes first. */
export function lineScore(job: { priority: number; expiresAt: EpochMs; since: EpochMs }): number {
  const step = Math.floor(job.since / AGING_MS) - job.priority;
  const from = step * AGING_MS;
  const deadline = within(Math.floor((job.expiresAt - from) / DEADLINE_MS), DEADLINES);
  const age = within(Math.floor(((job.since - from) / CLASS_MS) * AGES), AGES);
  return (step * DEADLINES + deadline) * AGES + age;
}

function within(value: number, count: number): number {
  return Math.min(count - 1, Math.max(0, value));
}
