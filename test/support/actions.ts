/** Actions as callers start them over HTTP and as workers get on with them, on one Redis. */

import type { Action } from '@darkroom/shared/domain';
import type { Actions, Submission } from '@darkroom/shared/ports';
import { ListJobsQuery, SubmitJobBody } from '@darkroom/shared/schemas';
import { listJobs, stepAction, submitJob } from '@darkroom/shared/usecases';
import { type ActionsDeps, createActionRounds } from '../../apps/worker/src/sweeper/actions.ts';
import type { Json, TestApi } from './start-api.ts';

export type TestActions = AsyncDisposable & {
  deps: ActionsDeps;
  lines: Record<string, unknown>[];
  /** One step of the action, as a worker with these parts makes it. */
  step: (id: string, parts?: Partial<ActionsDeps>) => ReturnType<typeof stepAction>;
  /** A round of one more worker. */
  round: (parts?: Partial<ActionsDeps>) => Promise<void>;
};

/** Workers for the actions of `api`. */
export function actionWorkers(api: TestApi): TestActions {
  const lines: Record<string, unknown>[] = [];
  const note = (fields: object, event: string) => void lines.push({ ...fields, event });
  const deps: ActionsDeps = {
    ...api.deps,
    log: { debug: note, info: note, warn: note, error: note },
    draining: new AbortController().signal,
  };
  return {
    deps,
    lines,
    step: (id, parts) => stepAction({ ...deps, ...parts }, 'default', id),
    round: (parts) => createActionRounds({ ...deps, ...parts })(),
    [Symbol.asyncDispose]: async () => {
      await api.deps.outbox.flush();
    },
  };
}

/** The records, and what was written to them. `before` may throw, as a worker that dies before it writes. */
export function watched(
  actions: Actions,
  before: (action: Action) => void = () => undefined,
): { actions: Actions; written: Action[] } {
  const written: Action[] = [];
  const write: Actions['write'] = async (action) => {
    before(action);
    written.push(action);
    return actions.write(action);
  };
  return { actions: { ...actions, write }, written };
}

/** Parts of a worker that dies before or behind something that it writes: from that step on, nothing of it works. */
export function diesAtStep(
  { actions, ledger }: Pick<ActionsDeps, 'actions' | 'ledger'>,
  at: number,
): { parts: Partial<ActionsDeps>; isDead: () => boolean } {
  let steps = 0;
  const step = () => {
    if (++steps >= at) throw new Error('dead');
  };
  const mortal =
    <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      step();
      const result = await act(...args);
      step();
      return result;
    };
  const parts = {
    actions: { ...actions, write: mortal((action: Action) => actions.write(action)) },
    ledger: { ...ledger, admit: mortal((submission: Submission) => ledger.admit(submission)) },
  };
  return { parts, isDead: () => steps >= at };
}

/** Submits so many jobs, each of its own, past HTTP: many of them would take long. @returns their ids */
export async function submitJobs(
  api: TestApi,
  count: number,
  body: object = {},
  tenant = 'default',
): Promise<string[]> {
  const one = async (n: number): Promise<string> => {
    const asked = { prompt: `a mug with the number ${n}`, dedup: false, ...body };
    return (await submitJob(api.deps, { tenant, body: SubmitJobBody.parse(asked) })).job.id;
  };
  return Promise.all(Array.from({ length: count }, (_, n) => one(n)));
}

/** Starts an action that must be accepted. @returns its view */
export async function startAction(api: TestApi, body: object): Promise<Json> {
  const { status, json, text } = await api.call('POST', '/v1/actions', { body });
  if (status !== 202) throw new Error(text);
  return json;
}

export async function viewOf(api: TestApi, id: string): Promise<Json> {
  return (await api.call('GET', `/v1/actions/${id}`)).json;
}

/** How many jobs of the tenant a list of these filters has. */
export async function countJobs(api: TestApi, filters: object, tenant = 'default'): Promise<number> {
  let count = 0;
  for (let after: string | undefined = ''; after !== undefined; ) {
    const query = ListJobsQuery.parse({ ...filters, limit: 200, ...(after && { after }) });
    const page = await listJobs(api.deps.ledger, tenant, query);
    count += page.jobs.length;
    after = page.nextCursor;
  }
  return count;
}
