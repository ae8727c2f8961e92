import type { SafePost } from '@darkroom/shared/net';
import type { Log } from '@darkroom/shared/observability';
import type { Changes, Clock, Deliveries, Endpoints, EventLog, Ledger } from '@darkroom/shared/ports';
import type { PresentEventDeps } from '@darkroom/shared/usecases';
import type { SecretSeal } from '@darkroom/shared/webhooks';
import type { WebhookMetrics } from './metrics.ts';

/** What sending events needs. */
export type WebhookDeps = PresentEventDeps & {
  ledger: Ledger;
  events: EventLog;
  endpoints: Endpoints;
  deliveries: Deliveries;
  changes: Changes;
  poster: Pick<SafePost, 'post'>;
  seal: SecretSeal;
  /** What the secrets for addresses that jobs name are derived from. */
  ownKey: Buffer;
  clock: Clock;
  random: () => number;
  log: Log;
  metrics: WebhookMetrics;
  /** Failures in a row at which an endpoint is disabled. */
  failuresMax: number;
  /** Most posts under way at a time. */
  concurrency: number;
};
