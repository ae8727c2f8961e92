/**
 * From a sealed chunk to a batch at the provider.
 *
 *   input file → upload (under a chosen name: may be repeated) → intent on record → the one create call → its name on record
 *
 * Only who wrote the intent calls, and calls once. Whatever becomes of the call, the record is left in `creating` at the
 * worst, and the poller looks for the batch before anybody may call again.
 */

import {
  cancelAsked,
  cancelReason,
  created,
  createRefused,
  createUnknown,
  giveUp,
  intendCreate,
  type ProviderBatch,
  troubled,
  uploaded,
  waitUntil,
} from '@darkroom/shared/domain';
import { failSpan, tellSpan } from '@darkroom/shared/observability';
import type { Done } from '@darkroom/shared/ports';
import { inChunkSpan } from '../attempt-span.ts';
import { channelOf, isOnly, takesNothingUntil } from './accounts.ts';
import type { BatchDeps } from './deps.ts';
import { giveBack, goElsewhere, parkAccount } from './elsewhere.ts';
import { idsOf } from './ids-of.ts';
import { buildInput } from './input-file.ts';
import { rejectMember } from './leftovers.ts';
import { comeToRescue } from './rescue-time.ts';
import { isHeldBack, isWanted } from './wanted.ts';
import { openWorkspace } from './workspace.ts';

const UPLOAD_MS = 600_000;
/** Between two looks at a chunk whose callers have paused all of it, or whose channel takes none. */
const PAUSED_MS = 60_000;
/** Steps that fail in a row before another account is looked for. */
const TROUBLES_MAX = 2;
/** Between intent and call lies nothing: a process that was stopped there for longer must not call any more. */
const INTENT_MS = 5_000;

/** Takes a chunk in the state `sealed` as far as it goes. */
export async function submit(deps: BatchDeps, sealed: ProviderBatch): Promise<void> {
  const { accounts, batches, clock } = deps;
  if (!accounts.has(sealed.channel))
    return void (await giveBack(deps, sealed, 'its channel is not configured any more'));
  const reason = cancelReason(sealed, await isWanted(deps, sealed), clock.now());
  if (reason) {
    const going = reason === 'rescue' ? await comeToRescue(deps, sealed) : sealed;
    const ended = going && cancelAsked(going, reason, clock.now());
    if (ended && (await batches.write(ended))) deps.log.warn({ ...idsOf(sealed), reason }, 'chunk.not_sent');
    return;
  }
  const pausedUntil = Math.max(pauseOf(await batches.open(), sealed), await takesNothingUntil(deps, sealed));
  if (pausedUntil > clock.now()) {
    if (await goElsewhere(deps, sealed, 'its channel takes no more of this model for now')) return;
    const mostMs = isOnly(deps, sealed.model) && Number.isFinite(pausedUntil) ? Number.POSITIVE_INFINITY : PAUSED_MS;
    return void (await batches.write(waitUntil(sealed, Math.min(pausedUntil, clock.now() + mostMs))));
  }
  if (await isHeldBack(deps, sealed)) return void (await batches.write(waitUntil(sealed, clock.now() + PAUSED_MS)));
  const ready = sealed.input ? sealed : await inChunkSpan('chunk.upload', sealed, () => upload(deps, sealed));
  if (ready) await create(deps, ready);
}

/** A refusal of one chunk by a limit keeps all of its model waiting in that account: itself too, when it is looked at before that is over. */
function pauseOf(open: ProviderBatch[], { channel, model }: ProviderBatch): number {
  const own = open.filter((other) => other.channel === channel && other.model === model);
  const refused = own.filter(({ refusedUntil }) => refusedUntil !== undefined);
  return Math.max(0, ...refused.map(({ refusedUntil = 0 }) => refusedUntil));
}

async function upload(deps: BatchDeps, sealed: ProviderBatch): Promise<ProviderBatch | undefined> {
  const { batches, clock, crash, log } = deps;
  const channel = channelOf(deps, sealed);
  await using workspace = await openWorkspace(deps.folder);
  const path = workspace.path('input.jsonl');
  const input = await buildInput(deps, sealed, await batches.members(sealed.id), path);
  for (const member of input.unbuilt) await rejectMember(deps, sealed, member, REFERENCE_GONE);
  if (!input.lines) {
    const ended = giveUp(sealed, 'no line could be made', clock.now());
    if (ended) await batches.write(ended);
    return undefined;
  }
  crash('chunk.built');
  const file = { path, bytes: input.bytes, name: fileNameOf(sealed, input), displayName: sealed.displayName };
  const done = await channel.upload(file, deadline(deps, UPLOAD_MS));
  if (done.type !== 'done') return trouble(deps, sealed, 'upload', done);
  crash('chunk.uploaded');
  const { sha256, bytes } = input;
  const next = uploaded(sealed, { sha256, bytes, fileName: done.fileName }, clock.now());
  if (!next || !(await batches.write(next))) return undefined;
  log.info({ ...idsOf(sealed), bytes, lines: input.lines, fileName: done.fileName }, 'chunk.uploaded');
  return next;
}

const REFERENCE_GONE = { code: 'not_found', retryable: false, detail: 'A reference image is gone.' } as const;

/** At most 40 of `a-z 0-9 -`. Named by its content too: a file that is there under this name is this one. */
function fileNameOf({ id }: ProviderBatch, { sha256 }: { sha256: string }): string {
  return `dk-${id.slice(id.indexOf('_') + 1)}-${sha256.slice(0, 4)}`;
}

/** Intent, then the one call. Also for the poller, when lists have shown for long enough that there is nothing. */
export function create(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  return inChunkSpan('chunk.create', batch, () => createOnce(deps, batch));
}

async function createOnce(deps: BatchDeps, batch: ProviderBatch): Promise<void> {
  const { batches, clock, crash, log, random } = deps;
  const channel = channelOf(deps, batch);
  const intended = intendCreate(batch, deps.rules, clock.now());
  if (!intended?.input || !(await batches.write(intended))) return;
  crash('chunk.intended');
  if (clock.now() - (intended.creates.at(-1)?.at ?? 0) > INTENT_MS) return;
  const { model, displayName } = intended;
  const call = { model, displayName, fileName: intended.input.fileName };
  const done = await channel
    .create(call, deadline(deps, deps.rules.createMs))
    .catch((error: unknown): Done<{ name: string }> => ({ type: 'unknown', reason: String(error) }));
  crash('chunk.created');
  const now = clock.now();
  const next =
    done.type === 'done'
      ? created(intended, done.name, deps.rules, now)
      : done.type === 'rejected'
        ? createRefused(intended, done.verdict, now, random)
        : createUnknown(intended, now);
  const written = next && (await batches.write(next));
  if (written) crash('chunk.named');
  tellSpan({ 'darkroom.outcome': done.type });
  if (done.type !== 'done') failSpan(done.type === 'rejected' ? done.verdict.code : done.type);
  log[done.type === 'done' ? 'info' : 'warn'](
    {
      ...idsOf(batch),
      outcome: done.type,
      state: next?.state,
      ...(done.type === 'done' && { name: done.name }),
      ...(done.type === 'rejected' && { http: done.verdict.http, error: done.verdict.code }),
      ...(done.type === 'unknown' && { reason: done.reason }),
    },
    'chunk.created',
  );
  if (!written || done.type !== 'rejected') return;
  const refused = refusedKey('create', done);
  if (refused) tellRefusedKey(deps, batch, refused);
  await parkAccount(deps, next, done.verdict);
  await goElsewhere(deps, next, next.end?.message ?? `create was refused (${done.verdict.http} ${done.verdict.code})`);
}

/** An account that has refused the same step before, or refuses its key, is left to others who can take the chunk. */
async function trouble(
  deps: BatchDeps,
  batch: ProviderBatch,
  step: string,
  done: Exclude<Done<object>, { type: 'done' }>,
): Promise<undefined> {
  const { batches, clock, random, log } = deps;
  const refused = refusedKey(step, done);
  const next = troubled(batch, clock.now(), random, refused);
  const written = await batches.write(next);
  const why = done.type === 'unknown' ? { reason: done.reason } : { http: done.verdict.http, error: done.verdict.code };
  failSpan(done.type === 'unknown' ? done.type : done.verdict.code);
  log.warn({ ...idsOf(batch), step, ...why }, 'chunk.trouble');
  if (!written) return;
  if (refused) tellRefusedKey(deps, batch, refused);
  else if (next.troubles < TROUBLES_MAX) return;
  await batches.park(batch, next.dueAt);
  await goElsewhere(deps, next, refused ?? `${step} has failed ${next.troubles} times`);
}

/** In words, when it is the key that was refused: no other try there mends that. */
function refusedKey(step: string, done: Exclude<Done<object>, { type: 'done' }>): string | undefined {
  if (done.type !== 'rejected' || !done.verdict.channelDown) return undefined;
  const { http, code, message } = done.verdict;
  return `${step} was refused (${http} ${code}${message ? `: ${message}` : ''})`;
}

function tellRefusedKey({ metrics, log }: BatchDeps, batch: ProviderBatch, alarm: string): void {
  metrics.batchAlarm();
  log.error({ ...idsOf(batch), alarm }, 'chunk.alarm');
}

export function deadline({ stopping }: Pick<BatchDeps, 'stopping'>, ms: number): AbortSignal {
  return AbortSignal.any([stopping, AbortSignal.timeout(ms)]);
}
