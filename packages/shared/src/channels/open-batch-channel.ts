/** The batches of a configured channel, opened: the only place that knows which kind has which. */

import type { ConfiguredChannel } from '../config/channel-connection.ts';
import type { BatchChannel } from '../ports/batch-channel.ts';
import type { Clock } from '../ports/clock.ts';
import { createGeminiBatchChannel } from './gemini/batch/batch-channel.ts';
import type { Connect } from './http/dispatcher.ts';
import { credentialsOf } from './open-channels.ts';
import { createVertexBatchChannel } from './vertex/batch/batch-channel.ts';
import type { OpenBucket } from './vertex/batch/bucket.ts';

export type OpenBatchOptions = {
  clock: Clock;
  /** Vertex keeps input and output there. */
  openBucket: OpenBucket;
  /** How sockets are opened; given by a caller that guards addresses. */
  connect?: Connect;
};

/** Opens no connection before the first call. `undefined` when the channel carries no batches. @throws ConfigError for a credential that is missing */
export function openBatchChannel(
  { id, models, connection, lanes, batch }: ConfiguredChannel,
  { clock, openBucket, connect }: OpenBatchOptions,
): (BatchChannel & AsyncDisposable) | undefined {
  if (!lanes.includes('batch')) return undefined;
  const { baseUrl } = connection;
  const common = { id, models, ...(baseUrl && { baseUrl }), ...(connect && { connect }) };
  switch (connection.kind) {
    case 'gemini': {
      const { auth, apiKey } = connection;
      return createGeminiBatchChannel({ ...common, auth, apiKey: apiKey.read().reveal(), apiVersion: 'v1beta' });
    }
    case 'vertex': {
      const { project, location } = connection;
      if (!batch?.bucket) return undefined;
      const credentials = credentialsOf(connection);
      return createVertexBatchChannel({
        ...common,
        project,
        location,
        credentials,
        clock,
        bucket: batch.bucket,
        openBucket,
      });
    }
    default:
      return undefined;
  }
}
