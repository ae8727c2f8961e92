import type { FindingView } from '../../schemas/doctor.ts';

export type Finding = FindingView;

/** What a check found, before it is known of what. */
export type Found = Omit<Finding, 'group' | 'name'> & { name?: string };

/** One look at one thing. A check that throws, or takes too long, has found a problem. */
export type Check = {
  group: string;
  name: string;
  /** @param signal aborted when its time is over */
  run(signal: AbortSignal): Promise<readonly Found[]>;
};

export const ok = (what: string, name?: string): Found => ({ level: 'ok', what, ...(name && { name }) });

export const warning = (what: string, fix?: string, name?: string): Found => ({
  level: 'warning',
  what,
  ...(fix && { fix }),
  ...(name && { name }),
});

export const problem = (what: string, fix?: string, name?: string): Found => ({
  ...warning(what, fix, name),
  level: 'problem',
});
