/**
 * Whether the batch path kept its promises, judged from outside, as `system/invariants.ts` judges the rest: the rows that
 * were sent, what their caller is shown, the records as they lie, and the provider's batches, bill and files.
 *
 * B1 each row is shown once, under its key, in its place, and the counts are those of the rows · B2 each picture is that
 * of its row's own prompt · B3 every charge is settled, in doubt or told as waste, and nothing settled was free ·
 * B4 a chunk has one provider batch that made images, or says that it has two · B5 nothing is left at the provider,
 * in the pool or of a body that broke off.
 */

import type { LineView, BatchView as RemoteView } from '@darkroom/emulator';
import type { BatchView } from '@darkroom/shared/schemas';
import type { ManifestLine, SentBatch, ShownItem } from './batch-caller.ts';
import type { AttemptRecord, JobRecord, TenantRecords } from './system/records.ts';

/** A chunk's record, as far as it is judged. */
export type ChunkRecord = {
  id: string;
  state: string;
  displayName: string;
  stray?: { of: string };
  waste: number;
  alarms: string[];
  creates: unknown[];
  members: { job: string; attempt: string }[];
};

type RemoteBatch = RemoteView & { answered: LineView[] };
export type ShownBatch = SentBatch & { view: BatchView; items: ShownItem[]; manifest: ManifestLine[] };

export type BatchesSeen = {
  tenants: TenantRecords[];
  batches: ShownBatch[];
  chunks: ChunkRecord[];
  remote: RemoteBatch[];
  /** What the provider charged for its batches, in micro-dollars. */
  billed: number;
  /** SHA-256 of the picture that belongs to a prompt, by prompt. */
  pictures: ReadonlyMap<string, string>;
  /** Files left at the provider. */
  files: string[];
  /** Members of pools, and bodies that are said to arrive. */
  waiting: string[];
  /** Batches that have a folder in the object store. */
  folders: string[];
};

export type BatchFigures = {
  rows: number;
  chunks: number;
  providerBatches: number;
  /** Provider batches beyond one a chunk that made images. */
  second: number;
  /** Create calls beyond one a chunk. */
  createdAgain: number;
  alarms: number;
  /** Micro-dollars: what the provider charged for its batches, and what the records say of it. */
  laneBilled: number;
  laneSettled: number;
  laneInDoubt: number;
  waste: number;
};

/** Everything that is not as it was promised; none = all is well. */
export function batchViolations(seen: BatchesSeen): string[] {
  const jobs = seen.tenants.flatMap((tenant) => tenant.jobs);
  return [
    ...seen.batches.flatMap((batch) => rowsOf(batch)),
    ...seen.batches.flatMap((batch) => countsOf(batch, jobs)),
    ...picturesOf(seen, jobs),
    ...chargesOf(seen, jobs),
    ...sumsOf(seen, jobs),
    ...providerBatchesOf(seen),
    ...leftovers(seen),
  ];
}

export function batchFigures(seen: BatchesSeen): BatchFigures {
  const lane = inLane(seen.tenants.flatMap((tenant) => tenant.jobs));
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return {
    rows: sum(seen.batches.map(({ rows }) => rows.length)),
    chunks: seen.chunks.length,
    providerBatches: seen.remote.length,
    second: sum([...making(seen).values()].map((made) => made.length - 1)),
    createdAgain: sum(seen.chunks.map(({ creates }) => Math.max(0, creates.length - 1))),
    alarms: sum(seen.chunks.map(({ alarms }) => alarms.length)),
    laneBilled: seen.billed,
    laneSettled: costOf(lane, 'settled'),
    laneInDoubt: costOf(lane, 'in_doubt'),
    waste: sum(seen.chunks.map(({ waste }) => waste)),
  };
}

/** B1: what is shown are the rows that were sent, each once and in its place. */
function rowsOf({ id, rows, items, manifest, view }: ShownBatch): string[] {
  const found: string[] = [];
  const sent = rows.map(({ key }) => key).join();
  if (items.map(({ key }) => key).join() !== sent) found.push(`B1 ${id}: its items are not the rows that were sent`);
  if (manifest.map(({ key }) => key).join() !== sent)
    found.push(`B1 ${id}: its manifest is not the rows that were sent`);
  for (const [n, { key, status, images }] of items.entries()) {
    const line = manifest[n];
    if (line?.status !== status || (line.sha256 ?? undefined) !== images[0]?.sha256)
      found.push(`B1 ${id} ${key}: item and manifest differ`);
    if (images.length > 1) found.push(`B1 ${id} ${key}: it has ${images.length} images`);
  }
  if (view.status !== 'completed') found.push(`B1 ${id} is ${view.status}`);
  return found;
}

/** B1: the batch counts what its rows are. */
function countsOf({ id, rows, items, view }: ShownBatch, jobs: JobRecord[]): string[] {
  const records = jobs.filter(({ row }) => row?.batch === id);
  const newest = new Map(records.map((job) => [job.row?.key, job]));
  const found = newest.size === rows.length ? [] : [`B1 ${id}: ${newest.size} rows of ${rows.length} have a record`];
  const counts = view.counts as unknown as Record<string, number>;
  for (const status of ['queued', 'running', 'succeeded', 'blocked', 'failed', 'canceled', 'expired']) {
    const shown = items.filter((item) => item.status === status).length;
    if ((counts[status] ?? 0) !== shown) found.push(`B1 ${id} counts ${counts[status]} ${status}, ${shown} rows are`);
  }
  if (counts['total'] !== rows.length || counts['loaded'] !== rows.length)
    found.push(`B1 ${id} counts ${counts['total']} rows, ${counts['loaded']} of them loaded`);
  const actual = micros(view.cost.actual) - costOf(records, 'settled');
  const inDoubt = micros(view.cost.in_doubt) - costOf(records, 'in_doubt');
  if (actual !== 0 || inDoubt !== 0) found.push(`B1 ${id}: its costs are off by ${actual} and ${inDoubt} in doubt`);
  return found;
}

/** B2: a row shows its own picture, or another one of those that its own line was answered with. */
function picturesOf({ batches, pictures, remote }: BatchesSeen, jobs: JobRecord[]): string[] {
  const promptOf = new Map([...pictures].map(([prompt, sha256]) => [sha256, prompt]));
  const repeated = new Set(
    remote.flatMap(({ answered }) => answered.flatMap(({ key, charges }) => (key && charges.length > 1 ? [key] : []))),
  );
  const attemptsOf = new Map(jobs.map(({ id, attempts }) => [id, attempts]));
  return batches.flatMap(({ id, rows, items }) =>
    items.flatMap(({ id: job, key, images: [image] }, n) => {
      if (!image) return [];
      const owner = promptOf.get(image.sha256 ?? '');
      if (owner === rows[n]?.prompt) return [];
      if (owner !== undefined) return [`B2 ${id} ${key} shows the picture of "${owner}"`];
      const isCopy = attemptsOf.get(job)?.some((attempt) => repeated.has(attempt.id));
      return isCopy ? [] : [`B2 ${id} ${key} shows a picture that no prompt has`];
    }),
  );
}

/** B3, attempt by attempt: the key of a line is the attempt's id. */
function chargesOf({ remote }: BatchesSeen, jobs: JobRecord[]): string[] {
  const charges = new Map<string, number[]>();
  for (const { answered } of remote) {
    for (const { key = '', charges: paid } of answered)
      charges.set(key, [...(charges.get(key) ?? []), ...paid.map(({ cost_micros: cost }) => cost)]);
  }
  const attempts = new Map(jobs.flatMap((job) => laneAttempts(job).map((one) => [one.id, one] as const)));
  const counted = Map.groupBy(
    [...attempts.values()].filter(({ state }) => state !== 'rejected'),
    ({ id }) => sentOf(id),
  );
  const strangers = [...charges.keys()]
    .filter((key) => !attempts.has(key))
    .map((key) => `B3 line ${key} is on no record`);
  const wrong = [...attempts.values()].flatMap(({ id, state, cost = 0 }) => {
    const paid = charges.get(sentOf(id)) ?? [];
    if (state === 'settled' && cost > 0 && !paid.includes(cost)) return [`B3 ${id}: ${cost} settled and never charged`];
    const uncounted = paid.filter((each) => each > 0).length - (counted.get(sentOf(id))?.length ?? 0);
    if (state === 'rejected' && uncounted > 0) return [`B3 ${id}: charged, and recorded as free`];
    return state === 'open' ? [`B3 ${id} is still open`] : [];
  });
  return [...strangers, ...wrong];
}

/** What was made more than once has an attempt for each time, named after the one that was sent. */
function sentOf(attempt: string): string {
  return attempt.split('-')[0] ?? '';
}

/**
 * B3, in all: settled + in doubt + waste cover the bill, and where nothing is in doubt or wasted they are the bill. What is
 * in doubt is counted as it was estimated, words and thoughts included.
 */
function sumsOf(seen: BatchesSeen, jobs: JobRecord[]): string[] {
  const lane = inLane(jobs);
  const settled = costOf(lane, 'settled');
  const feared = costOf(lane, 'in_doubt') + seen.chunks.reduce((sum, { waste }) => sum + waste, 0);
  const open = seen.billed - settled;
  if (open >= 0 && open <= feared) return [];
  return [`B3 the bill is ${seen.billed}, ${settled} are settled and ${feared} in doubt or wasted`];
}

/** B4: one provider batch a chunk, unless the chunk says otherwise. */
function providerBatchesOf(seen: BatchesSeen): string[] {
  const chunks = new Map(seen.chunks.map((chunk) => [chunk.displayName, chunk]));
  const unknown = seen.remote
    .filter(({ display_name: name }) => !chunks.has(name))
    .map(({ id }) => `B4 ${id} was made for no chunk`);
  const twice = [...making(seen)].flatMap(([name, made]) => {
    const told = seen.chunks.some((chunk) => chunk.displayName === name && chunk.stray !== undefined);
    return made.length > 1 && !told ? [`B4 ${name}: ${made.length} provider batches made images, unsaid`] : [];
  });
  const shared = [
    ...Map.groupBy(
      seen.chunks.flatMap(({ members }) => members),
      ({ attempt }) => attempt,
    ),
  ]
    .filter(([, members]) => members.length > 1)
    .map(([attempt]) => `B4 ${attempt} is in two chunks`);
  return [...unknown, ...twice, ...shared];
}

/** Provider batches that were charged for, by their chunk. */
function making({ remote }: BatchesSeen): Map<string, RemoteBatch[]> {
  const charged = remote.filter(({ answered }) => answered.some(({ cost_micros: cost }) => cost > 0));
  return Map.groupBy(charged, ({ display_name: name }) => name);
}

/** B5: an idle lane has nothing anywhere. */
function leftovers({ chunks, files, waiting, folders, batches }: BatchesSeen): string[] {
  const known = new Set(batches.map(({ id }) => id));
  return [
    ...chunks.filter(({ state }) => state !== 'closed').map(({ id, state }) => `B5 ${id} is still ${state}`),
    ...files.map((name) => `B5 ${name} is left at the provider`),
    ...waiting.map((name) => `B5 ${name} still waits`),
    ...folders.filter((id) => !known.has(id)).map((id) => `B5 rows of ${id}, which was never accepted, are left`),
  ];
}

function inLane(jobs: JobRecord[]): JobRecord[] {
  return jobs.map((job) => ({ ...job, attempts: laneAttempts(job) }));
}

function laneAttempts({ attempts }: JobRecord): AttemptRecord[] {
  return attempts.filter(({ lane }) => lane === 'batch');
}

function costOf(jobs: Pick<JobRecord, 'attempts'>[], state: string): number {
  const of = jobs.flatMap(({ attempts }) => attempts.filter((attempt) => attempt.state === state));
  return of.reduce((sum, { cost = 0 }) => sum + cost, 0);
}

function micros(dollars: string): number {
  return Math.round(Number(dollars) * 1e6);
}
