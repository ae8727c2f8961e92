import { randomUUIDv7 } from 'node:crypto';
import { resolve } from 'node:path';
import { idFrom, type LaneTimes, modelById, STANDARD_MS_PER_JOB } from '@darkroom/shared/domain';
import type { WorkerConfig } from '../config.ts';
import type { BatchDeps, PlanRules } from './deps.ts';

type Given = Omit<BatchDeps, 'rules' | 'plan' | 'pollMs' | 'holdMs' | 'folder' | 'newId'>;

/** The call only names a file. Less when less is to be waited for. */
const CREATE_MS = 60_000;
const SECOND_MS = 1_000;
/** Result files of more than a gigabyte are the ones that cannot be fetched. */
const LIMITS = { outputBytes: 1_000_000_000, inputBytes: 100_000_000, lines: 2_000 };

/** The batch lane as the environment wants it. */
export function laneOptions(config: WorkerConfig, given: Given): BatchDeps {
  const ms = (seconds: number) => Math.round(seconds * SECOND_MS);
  const times = async (id: string): Promise<LaneTimes> => {
    const model = modelById(id);
    const p95Ms = await given.latency.p95Ms('standard', { model: id, size: model.defaultSize });
    return {
      standardMs: Math.max(model.timeoutMs, p95Ms) + ms(config.BATCH_MARGIN),
      batchMsMin: ms(config.BATCH_GATHER) + 2 * ms(config.BATCH_POLL),
    };
  };
  const plan: PlanRules = {
    limits: LIMITS,
    gatherMs: ms(config.BATCH_GATHER),
    times,
    rescueMsPerJob: rescueMsPerJob(config),
    stuckMs: ms(config.BATCH_STUCK_AFTER),
  };
  const recreateAfterMs = ms(config.BATCH_RECREATE_AFTER);
  return {
    ...given,
    plan,
    rules: { createMs: Math.min(CREATE_MS, recreateAfterMs / 2), recreateAfterMs, lifeMs: ms(config.BATCH_LIFE) },
    pollMs: ms(config.BATCH_POLL),
    holdMs: ms(config.MESSAGE_LOCK),
    folder: resolve(config.DARKROOM_DATA, 'chunks'),
    newId: () => idFrom('pb', randomUUIDv7(), given.clock.now()),
  };
}

/** Who limits the calls of the standard lane has what is late taken back so much earlier. */
function rescueMsPerJob({ GEMINI_RPM: limit }: WorkerConfig): number {
  return limit > 0 ? Math.max(STANDARD_MS_PER_JOB, Math.ceil(60_000 / limit)) : STANDARD_MS_PER_JOB;
}
