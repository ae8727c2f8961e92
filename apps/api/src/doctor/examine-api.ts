import { randomUUID } from 'node:crypto';
import type { ChannelsConfig } from '@darkroom/shared/config';
import type { Clock, ObjectStore, RedisFacts } from '@darkroom/shared/ports';
import type { DoctorView } from '@darkroom/shared/schemas';
import { examine, redisCheck, type Setup, setupCheck, storageCheck } from '@darkroom/shared/usecases';
import type { ApiConfig } from '../config.ts';
import { channelChecks } from './channels.ts';

type Deps = { look: () => Promise<RedisFacts>; store: ObjectStore; channels: ChannelsConfig; clock: Clock };

/** Looks at what this API is composed of. However many ask at once, one examination answers them all. */
export function createDoctor(config: ApiConfig, { look, store, channels, clock }: Deps): () => Promise<DoctorView> {
  let running: Promise<DoctorView> | undefined;
  const run = () =>
    examine([
      setupCheck(setupOf(config)),
      redisCheck(look),
      storageCheck({ store, clock, id: randomUUID }),
      // A program that calls nobody is not given the secrets: the worker is.
      ...channelChecks(channels.channels, { clock, secretsHere: false }),
    ]);
  return () => {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  };
}

function setupOf({ HOST, PUBLIC_URL, WEBHOOK_HTTP, DOWNLOAD_HTTP }: ApiConfig): Setup {
  return {
    nodeVersion: process.versions.node,
    settings: {
      host: HOST,
      ...(PUBLIC_URL && { publicUrl: PUBLIC_URL }),
      webhookHttp: WEBHOOK_HTTP === 'true',
      downloadHttp: DOWNLOAD_HTTP === 'true',
      redisGiven: true,
    },
    secretGiven: true,
    mistakes: [],
  };
}
