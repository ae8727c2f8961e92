import { type AttemptId, type Job, standerOf } from '@darkroom/shared/domain';
import { describeError } from '@darkroom/shared/observability';
import type { AttemptDeps } from './deps.ts';

/**
 * What a call held of its channel, and of the bounds of its tenant and key, is free again, though its worker never said so:
 * else a host that dies would hold all of it for as long as a call can last. Safe to send twice. Never throws.
 */
export async function letGo(
  { quotas, breakers, lines, log }: Pick<AttemptDeps, 'quotas' | 'breakers' | 'lines' | 'log'>,
  job: Job,
  attempt: AttemptId,
): Promise<void> {
  const recorded = job.state.attempts.find(({ id }) => id === attempt);
  if (!recorded || recorded.lane !== 'standard') return;
  const { channel, model } = recorded;
  const place = { channel, model };
  try {
    await Promise.all([
      quotas.ended(place, attempt),
      breakers.leave(place, attempt),
      lines.ended({ ...standerOf(job), model, turn: attempt }),
    ]);
  } catch (error) {
    log.warn({ tenant: job.tenant, job: job.id, attempt, ...describeError(error) }, 'attempt.not_let_go');
  }
}
