import type { ProviderBatch } from '@darkroom/shared/domain';

/** What a log line names a chunk by. */
export function idsOf({ id, channel, model }: ProviderBatch): {
  providerBatch: string;
  channel: string;
  model: string;
} {
  return { providerBatch: id, channel, model };
}
