/** Calls through a channel, each with a place of its own in a spool that is gone afterwards. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobRequest } from '@darkroom/shared/domain';
import type { Channel, Exchange, ReferenceInput, SpoolEntry } from '@darkroom/shared/ports';
import { createFolderSpool } from '@darkroom/shared/storage/spool';
import { aRequest } from '@darkroom/shared/testing/factories';

export type Sent = {
  request?: JobRequest;
  references?: readonly ReferenceInput[];
  timeoutMs?: number;
  signal?: AbortSignal;
};

export type Caller = {
  /** The folder that the spool is in. */
  folder: string;
  call(channel: Channel, sent?: Sent): Promise<{ end: Exchange; entry: SpoolEntry }>;
  [Symbol.asyncDispose](): Promise<void>;
};

export async function aCaller(): Promise<Caller> {
  const folder = await mkdtemp(join(tmpdir(), 'channel-'));
  const clock = { now: Date.now };
  const spool = createFolderSpool({ root: join(folder, 'spool'), owner: 'worker', clock });
  let attempts = 0;
  return {
    folder,
    async call(channel, sent = {}) {
      const entry = await spool.intend({ tenant: 't', job: 'j', attempt: `att_${++attempts}` });
      const { request = aRequest(), references = [], timeoutMs = 20_000 } = sent;
      const { signal = new AbortController().signal } = sent;
      return { end: await channel.call(request, { entry, references, timeoutMs, signal }), entry };
    },
    async [Symbol.asyncDispose]() {
      await spool[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
