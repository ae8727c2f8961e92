/** Submissions that come in the same turn of the event loop share one script call. */

import { isTerminal, type Tenant, terminalEvent } from '../../domain/index.ts';
import type { Admission, CachedResult, Submission } from '../../ports/index.ts';
import { IDEMPOTENCY_MS, tagsArg } from './arguments.ts';
import type { KeySpace } from './keys.ts';
import { formatRecord } from './record.ts';
import type { Script, ScriptArg } from './scripts.ts';

/** Submissions of one call: it holds Redis for some two milliseconds then. */
const CALL_MAX = 64;

type Waiting = {
  submission: Submission;
  resolve: (admission: Admission) => void;
  reject: (error: unknown) => void;
};

type Options = { tailMs: number; backlogMax: number; newNonce: () => string };

/**
 * Admits one job; what else was submitted meanwhile travels with it. It waits for nobody: the call leaves as soon as the
 * requests that have arrived are read.
 *
 * @param script `admit.lua`
 */
export function createAdmissions(
  script: Script,
  space: KeySpace,
  options: Options,
): (submission: Submission) => Promise<Admission> {
  let waiting: Waiting[] = [];

  const send = async (tenant: Tenant, group: Waiting[]) => {
    try {
      const { keys, args } = admitCall(space, tenant, group, options);
      const answers = (await script(keys, args)) as string[];
      group.forEach(({ resolve }, i) => {
        resolve(parseAdmission(answers[2 * i], answers[2 * i + 1]));
      });
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  };

  const flush = () => {
    const all = waiting;
    waiting = [];
    for (const [tenant, group] of Map.groupBy(all, ({ submission }) => submission.job.tenant)) {
      for (let i = 0; i < group.length; i += CALL_MAX) void send(tenant, group.slice(i, i + CALL_MAX));
    }
  };

  return (submission) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ submission, resolve, reject }) === 1) setImmediate(flush);
    });
}

function admitCall(space: KeySpace, tenant: Tenant, group: Waiting[], options: Options) {
  const of = space.of(tenant);
  const keys = [of.jobs, of.status('queued'), of.status('succeeded'), of.wakes, of.deadlines, of.retention, of.events];
  const args: ScriptArg[] = [options.newNonce(), options.backlogMax, IDEMPOTENCY_MS];
  for (const { submission } of group) {
    const { job, mode, idempotencyKey = '' } = submission;
    keys.push(
      of.job(job.id),
      of.idempotency(idempotencyKey),
      of.fingerprint(job.fingerprint),
      of.cache(job.fingerprint),
    );
    if (mode.type === 'join') keys.push(of.job(mode.leader), of.followers(mode.leader));
    args.push(...submissionArgs(submission, options.tailMs));
  }
  return { keys, args };
}

function submissionArgs({ job, bodyHash, idempotencyKey, mode }: Submission, tailMs: number): ScriptArg[] {
  const { state, request } = job;
  const record = formatRecord(job);
  const over = isTerminal(state.status);
  return [
    job.id,
    bodyHash,
    mode.type,
    record.request,
    record.state,
    job.fingerprint,
    state.createdAt,
    over || state.leader ? '' : state.runAt,
    state.expiresAt,
    over ? state.createdAt + tailMs : '',
    request.dedup ? '1' : '0',
    request.cache && !(mode.type === 'lead' && mode.uncached) ? '1' : '0',
    idempotencyKey ? '1' : '0',
    (mode.type === 'lead' && mode.past) || '',
    terminalEvent(state.status) ?? '',
    tagsArg(request.tags),
    request.webhook ? '1' : '',
  ];
}

function parseAdmission(type: string | undefined, value = ''): Admission {
  switch (type) {
    case 'created':
    case 'gone':
    case 'full':
      return { type };
    case 'replayed':
    case 'reused':
    case 'twin':
      return { type, id: value };
    case 'cached':
      return { type, result: JSON.parse(value) as CachedResult };
    default:
      throw new Error(`unexpected answer of admit.lua: ${type}`);
  }
}
