/** Everything the routes share. */
import { createSigner, type Signer } from './answer/signature.ts';
import { type BatchStore, createBatchStore } from './batches/batch-store.ts';
import { type Clock, createClock } from './clock.ts';
import { createDisk, type Disk } from './disk.ts';
import type { Outage } from './faults/outage.ts';
import { createOutages, type Outages } from './faults/outages.ts';
import type { FaultRule } from './faults/rules.ts';
import { createFaultScript, type FaultScript } from './faults/script.ts';
import { createFileStore, type FileStore } from './files/file-store.ts';
import { createUploads, type Uploads } from './files/uploads.ts';
import { createHold, type Hold } from './hold.ts';
import { createPictures, type Pictures } from './image/render.ts';
import { createJournal, type Journal } from './journal.ts';
import { type Accounts, createAccounts } from './modes/accounts.ts';
import { createQuota, type Quota } from './quota.ts';
import type { Settings } from './settings.ts';

import { createWebhooks, type Webhooks } from './webhooks/deliver.ts';
import { createEndpointStore, type EndpointStore } from './webhooks/endpoint-store.ts';
import { createTokenSigner, type TokenSigner } from './webhooks/sign.ts';

export type World = {
  seed: string;
  /** The time outside, in epoch milliseconds: for the journal. */
  now: () => number;
  /** The emulator's own time, for quotas, files, batches and webhooks. */
  clock: Clock;
  /** Replaced as a whole when changed. */
  settings: Settings;
  faults: FaultScript;
  outages: Outages;
  quota: Quota;
  journal: Journal;
  disk: Disk;
  files: FileStore;
  uploads: Uploads;
  batches: BatchStore;
  endpoints: EndpointStore;
  tokens: TokenSigner;
  accounts: Accounts;
  webhooks: Webhooks;
  hold: Hold;
  pictures: Pictures;
  sign: Signer;
  /** Aborted when the emulator closes: ends every wait. */
  closing: AbortSignal;
};

type Start = {
  seed: string;
  now: () => number;
  settings: Settings;
  faults: FaultRule[];
  outages: Outage[];
  closing: AbortSignal;
};

export function createWorld({ faults, outages: planned, ...start }: Start): World {
  const clock = createClock(start.now, start.settings.clock_scale);
  const disk = createDisk();
  const outages = createOutages({ ...start, clock }, planned);
  const parts = {
    ...start,
    clock,
    disk,
    outages,
    faults: createFaultScript(start.seed, faults, outages),
    quota: createQuota(clock),
    journal: createJournal(start.now),
    files: createFileStore(start.seed, clock),
    uploads: createUploads(start.seed, disk),
    hold: createHold(),
    pictures: createPictures(start.seed),
    sign: createSigner(start.seed),
    endpoints: createEndpointStore(start.seed, clock),
    tokens: createTokenSigner(),
    accounts: createAccounts(start.seed, clock, start.now),
  };
  parts.faults.replaceOwn(start.settings.projects);
  const known = { ...parts, batches: createBatchStore(parts) };
  return { ...known, webhooks: createWebhooks(known) };
}
