/**
 * From a batch that is over to a chunk that is closed.
 *
 *   download → raw file in our store → lines settled by key → members without a line → small copies → record at rest
 *   → provider's files deleted → closed
 *
 * Every step may be repeated: which lines were settled is known by the members' own records, and nothing at the provider
 * is deleted before its bytes rest here. What the provider tells may be late or cut: an end without results is waited at,
 * and a file that does not tell of every member is downloaded again before they end.
 */

import {
  AppError,
  closed,
  fileMissing,
  gaveUpMembers,
  harvested,
  isAtRest,
  mayBeBilled,
  mayBeCut,
  mayHaveResults,
  observe,
  type ProviderBatch,
  providerBatchKey,
  rawStored,
  reread,
  straysUntil,
  troubled,
} from '@darkroom/shared/domain';
import { tellSpan } from '@darkroom/shared/observability';
import { inChunkSpan } from '../attempt-span.ts';
import { channelOf } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { download, downloadAgain, openRaw } from './download.ts';
import { harvest, NO_FINDINGS } from './harvest.ts';
import { idsOf } from './ids-of.ts';
import { endLeftovers, resolveDoubts } from './leftovers.ts';
import { type ChunkRecord, membersOf } from './members.ts';
import { createOneAtATime, type OneAtATime } from './one-at-a-time.ts';
import { rescueNow } from './rescue-time.ts';
import { deadline } from './submitter.ts';
import { makeThumbnails } from './thumbnails.ts';
import { openWorkspace, type Workspace } from './workspace.ts';

const CALL_MS = 60_000;
/** How long a file that cannot be had is waited for, in spite of the members' deadlines. */
const GRACE_MS = 600_000;
/** The provider keeps results for two days; what cannot be had some hours behind that will not be had. */
const FILE_LIFE_MS = 52 * 3_600_000;
const DELETE_TRIES = 3;

/**
 * Takes a chunk in the state `ended` as far as it goes.
 *
 * @param alone for what holds lines and images in memory; downloads do not, and wait for nobody
 */
export async function collect(deps: BatchDeps, ended: ProviderBatch, alone = createOneAtATime()): Promise<void> {
  await using workspace = await openWorkspace(deps.folder);
  const fetched = await fetchRaw(deps, workspace, ended);
  if (!fetched) return;
  const done = fetched.harvest?.doneAt === undefined ? await settle(deps, workspace, fetched, alone) : fetched;
  if (!done) return;
  if (!(await alone(() => makeThumbnails(deps, done, workspace)))) return;
  deps.crash('chunk.thumbnailed');
  await archive(deps, done);
  deps.crash('chunk.archived');
  await deleteFiles(deps, done);
  deps.crash('chunk.files_deleted');
  const strays = straysUntil(done);
  if (strays !== undefined) await deps.batches.expectStrays(done, strays);
  if (await deps.batches.write(closed(done))) deps.log.info(idsOf(done), 'chunk.closed');
  deps.crash('chunk.closed');
}

/** The chunk with its results at rest here, or as one that has none; `undefined` = not now. */
async function fetchRaw(
  deps: BatchDeps,
  workspace: Workspace,
  ended: ProviderBatch,
): Promise<ProviderBatch | undefined> {
  if (ended.harvest) return ended;
  const named = await withFileName(deps, ended);
  if (!named) return undefined;
  const file = named.end?.responsesFile;
  if (!file) return mayHaveResults(named) ? missing(deps, named) : named;
  const got = await download(deps, workspace, named, file);
  if (got.type === 'gone') return missing(deps, named);
  if (got.type === 'trouble') return postpone(deps, named, got);
  const next = rawStored(named, got.raw, deps.clock.now());
  if (!(await deps.batches.write(next))) return undefined;
  deps.log.info({ ...idsOf(next), ...got.raw }, 'chunk.raw_stored');
  return next;
}

/**
 * A list may show the end before it shows the results, of any end: so the batch is asked for them. `undefined` = not now:
 * whoever answers for it may lag behind the list, and still tell of one that runs, or of none.
 */
async function withFileName(deps: BatchDeps, ended: ProviderBatch): Promise<ProviderBatch | undefined> {
  const { clock } = deps;
  const { end, providerName } = ended;
  if (!end || end.type === 'lost' || end.responsesFile || !providerName) return ended;
  const done = await channelOf(deps, ended).get(providerName, deadline(deps, CALL_MS));
  if (done.type === 'unknown') return postpone(deps, ended, done);
  if (done.type === 'rejected') return postpone(deps, ended, { reason: `${done.verdict.http} ${done.verdict.code}` });
  if (!done.batch) return { ...ended, end: { ...end, awaited: true } };
  const known = observe({ ...ended, state: 'submitted' }, done.batch, clock.now())?.end;
  if (!known)
    return postpone(deps, ended, { reason: `it is ${end.type} in lists and ${done.batch.state} by its name` });
  const { empty: before, ...rest } = end;
  const { responsesFile, partial, empty = before } = known;
  const found = { ...(responsesFile && { responsesFile }), ...(partial ? { partial } : empty && { empty }) };
  return { ...ended, end: { ...rest, ...found } };
}

async function missing(deps: BatchDeps, ended: ProviderBatch): Promise<ProviderBatch | undefined> {
  const { batches, clock, random, log } = deps;
  const next = fileMissing(ended, clock.now(), random);
  log.warn({ ...idsOf(ended), looks: next.batch.fileLooks?.count, gone: next.gone }, 'chunk.file_missing');
  if (!(await batches.write(next.batch))) return undefined;
  if (next.gone) return next.batch;
  // What is not billed unless its results come to light is not in doubt by waiting for them.
  if (mayBeBilled(next.batch)) await giveUpInTime(deps, next.batch);
  return undefined;
}

async function postpone(
  deps: BatchDeps,
  ended: ProviderBatch,
  { reason }: { reason: string },
): Promise<ProviderBatch | undefined> {
  const { clock, log, batches } = deps;
  const next = troubled(ended, clock.now(), deps.random);
  log.warn({ ...idsOf(ended), reason, troubles: next.troubles }, 'chunk.not_downloaded');
  if (!(await batches.write(next))) return undefined;
  if (clock.now() - (ended.end?.at ?? 0) >= FILE_LIFE_MS) return next;
  await giveUpInTime(deps, next);
  return undefined;
}

/**
 * Results that are there and cannot be had must not cost a caller the deadline as well: the members are in doubt, and
 * their jobs decide. The file is tried for all the same, and what it holds is kept when it comes.
 */
async function giveUpInTime(deps: BatchDeps, ended: ProviderBatch): Promise<void> {
  const { batches, clock, log } = deps;
  if (ended.stray || ended.givenUpAt !== undefined || clock.now() < (ended.end?.at ?? 0) + GRACE_MS) return;
  // Deadlines may have been moved since it was sealed.
  if (clock.now() < (await rescueNow(deps, ended)).rescueAt) return;
  const members = await endLeftovers(deps, ended, await batches.members(ended.id), 'in_doubt');
  log.error({ ...idsOf(ended), members }, 'chunk.given_up');
  await batches.write(gaveUpMembers(ended, clock.now()));
}

/**
 * Settles every line and every member, of more than one download if need be; `undefined` = not now, somebody else did, or
 * the process must end first.
 */
async function settle(
  deps: BatchDeps,
  workspace: Workspace,
  fetched: ProviderBatch,
  alone: OneAtATime,
): Promise<ProviderBatch | undefined> {
  for (let batch: ProviderBatch | undefined = fetched; batch; batch = await readAgain(deps, workspace, batch)) {
    const now = batch;
    const done = await alone(() => inChunkSpan('chunk.collect', now, () => account(deps, workspace, now)));
    if (done !== 'cut') return done;
  }
  return undefined;
}

/** A file that does not tell of every member may have ended early: only another download can tell. `undefined` = not now. */
async function readAgain(
  deps: BatchDeps,
  workspace: Workspace,
  cut: ProviderBatch,
): Promise<ProviderBatch | undefined> {
  const { batches, clock, log } = deps;
  const got = await downloadAgain(deps, workspace, cut, cut.end?.responsesFile ?? '');
  log.warn({ ...idsOf(cut), bytes: cut.harvest?.bytes, outcome: got.type }, 'chunk.read_again');
  const batch = got.type === 'trouble' ? await postpone(deps, cut, got) : cut;
  if (!batch) return undefined;
  const found = {
    ...(got.type === 'stored' && { raw: got.raw }),
    ...(got.type === 'same' && { proven: true as const }),
  };
  const next = reread(batch, found, clock.now());
  return (await batches.write(next)) ? next : undefined;
}

/** `cut` = members whose lines are not there must not end before the file was brought again. */
async function account(
  deps: BatchDeps,
  workspace: Workspace,
  ended: ProviderBatch,
): Promise<ProviderBatch | 'cut' | undefined> {
  const { batches, clock, log, metrics } = deps;
  const members = await membersOf(deps, ended);
  const raw = ended.harvest?.key ? await openRaw(deps, workspace, ended.harvest.key) : undefined;
  const found = raw ? await harvest(deps, ended, members, raw, workspace) : NO_FINDINGS;
  if (found === 'stopped') return undefined;
  const rest = members.filter(({ attempt }) => !found.keys.has(attempt));
  if ((rest.length || found.counts.truncated) && mayBeCut(ended)) return 'cut';
  // What a cut or unreadable file does not tell of may well have been made.
  const whole = !found.counts.truncated && found.counts.unreadable === 0;
  const silent = raw !== undefined && whole && ended.end?.type !== 'succeeded';
  const how = mayBeBilled(ended) && !silent ? 'in_doubt' : 'rejected';
  if (ended.stray) await resolveDoubts(deps, ended, rest, how);
  else await endLeftovers(deps, ended, rest, how);
  await batches.learnLineBytes(ended.model, found.lineBytes);
  const counts = { ...found.counts, missing: rest.length };
  const next = harvested(ended, { counts, waste: found.waste, alarms: found.alarms }, clock.now());
  if (!(await batches.write(next))) return undefined;
  for (const [outcome, count] of Object.entries(counts)) metrics.batchLines(outcome, Number(count));
  for (const alarm of found.alarms) {
    metrics.batchAlarm();
    log.error({ ...idsOf(ended), alarm }, 'chunk.alarm');
  }
  log.info({ ...idsOf(ended), end: ended.end?.type, ...counts, wasteMicros: next.waste }, 'chunk.harvested');
  tellSpan({
    'darkroom.outcome': ended.end?.type,
    'darkroom.lines.settled': counts.settled,
    'darkroom.lines.missing': counts.missing,
    'darkroom.waste_micros': next.waste,
  });
  deps.crash('chunk.harvested');
  return next;
}

/** What was asked and what came, beside the raw results. */
async function archive(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { store } = deps;
  const document: ChunkRecord = { v: 1, providerBatch: batch, members: await membersOf(deps, batch) };
  const key = providerBatchKey(batch.id, 'record.json');
  const body = Buffer.from(JSON.stringify(document));
  await store.put(key, body, { contentType: 'application/json' }).catch((error: unknown) => {
    // Written before, by somebody who did not come to the end: it tells the same.
    if (!(error instanceof AppError) || error.code !== 'object_conflict') throw error;
  });
}

/**
 * Frees the provider's storage. What cannot be deleted now goes by itself within two days; so does what is not at rest here,
 * because it did not come to light: it may be all that is left of paid images.
 */
async function deleteFiles(deps: BatchDeps, closing: ProviderBatch): Promise<void> {
  const { input, end, stray, harvest: raw, ...batch } = closing;
  const { log } = deps;
  // The input is the chunk's, which may still be under way.
  const isHere = isAtRest({ ...(raw && { harvest: raw }) });
  const output = isHere ? end?.responsesFile : undefined;
  const names = [stray ? undefined : input?.fileName, output].filter((name) => name !== undefined);
  if (!names.length && !stray) return;
  const channel = channelOf(deps, closing);
  for (const name of names) {
    for (let tries = 1; tries <= DELETE_TRIES; tries++) {
      const done = await channel.deleteFile(name, deadline(deps, CALL_MS));
      if (done.type === 'done') break;
      if (tries === DELETE_TRIES) log.warn({ providerBatch: batch.id, name, outcome: done.type }, 'chunk.file_left');
    }
  }
  // Lists would show it for ever.
  if (stray && batch.providerName && (isHere || end?.empty))
    await channel.deleteBatch(batch.providerName, deadline(deps, CALL_MS));
}
