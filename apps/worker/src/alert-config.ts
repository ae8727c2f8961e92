import { operatorTenant } from '@darkroom/shared/config';
import { z } from 'zod';
import type { AlertRules } from './sweeper/alerts.ts';

/** Between two looks; of a short window, there are this many. */
const LOOK_MS = 15_000;
const LOOKS_MIN = 40;

/** The part of the worker's environment that says when an operator is woken. */
export const alertEnv = {
  ALERTS_TENANT: operatorTenant,
  ALERT_ERRORS: z.coerce.number().min(0).max(100).default(5).meta({
    description: 'Alert when more percent than this of the calls of a model fail; 0 = never.',
  }),
  ALERT_P99: z.coerce.number().min(0).max(3_600).default(30).meta({
    description: 'Alert when one call of a model in a hundred takes longer than this many seconds; 0 = never.',
  }),
  ALERT_FAILOVERS: z.coerce.number().min(0).default(3).meta({
    description:
      'Alert when there are more fail-overs than this an hour: provider batches given up for the standard lane, and channels (by model, at most once in ten minutes) whose failed calls another took over; 0 = never.',
  }),
  ALERT_QUEUE_AGE: z.coerce.number().min(0).default(600).meta({
    description: 'Alert when a job that should be running has waited for more than this many seconds; 0 = never.',
  }),
  ALERT_IN_DOUBT: z.coerce.number().min(0).default(1).meta({
    description: 'Alert when more dollars than this go into doubt within an hour; 0 = never.',
  }),
  ALERT_RETIREMENT: z
    .string()
    .default('30,7,1')
    .transform((text) => (text.trim() === 'never' ? [] : text.split(',').map((day) => day.trim())))
    .pipe(
      z
        .array(
          z
            .string()
            .regex(/^\d{1,3}$/, 'must be days such as 30,7,1, or never')
            .transform(Number),
        )
        .max(10),
    )
    .meta({
      description: 'Days before the end of a model that is in use at which it is told of; `never` = not at all.',
    }),
  ALERT_WINDOW: z.coerce.number().int().min(5).max(86_400).default(600).meta({
    description: 'Seconds over which calls are counted for alerts; the same for all workers.',
  }),
};

type AlertConfig = z.output<z.ZodObject<typeof alertEnv>>;

/** Settings in, what the sweeper works with out. */
export function alertOptions(config: AlertConfig): { tenant: string; rules: AlertRules; everyMs: number } {
  return {
    tenant: config.ALERTS_TENANT,
    rules: {
      errorRate: config.ALERT_ERRORS / 100,
      p99Seconds: config.ALERT_P99,
      failovers: config.ALERT_FAILOVERS,
      queueAgeSeconds: config.ALERT_QUEUE_AGE,
      inDoubtUsd: config.ALERT_IN_DOUBT,
      retirementDays: config.ALERT_RETIREMENT,
    },
    everyMs: Math.min(LOOK_MS, (config.ALERT_WINDOW * 1_000) / LOOKS_MIN),
  };
}
