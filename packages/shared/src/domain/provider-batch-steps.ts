/**
 * The life of a provider batch, decided. Pure: each function takes the record and gives its next version, or
 * `undefined` when there is nothing to do. Who writes that version first has decided; the other reads again.
 *
 *   sealing → sealed → creating → submitted → ended → closed
 *
 * A create call costs money and cannot be repeated safely, so `creating` is left in three ways only: by its answer, by
 * a list that shows the batch, or, after lists that do not show it for long enough, by one more intent. Whoever writes
 * an intent makes that one call; nobody else does.
 */

import type { EpochMs, Micros, ProviderBatchId } from './job.ts';
import type { CreateIntent, ProviderBatch, ProviderBatchHarvest, ProviderEnd } from './provider-batch.ts';
import type { Verdict } from './verdict.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** After this a create call is over, answered or not. */
export const CREATE_MS = MINUTE_MS;
/** A provider that shows no batch this often, over the time the rules say, has none. */
const EMPTY_LISTS_MIN = 3;
/** Intents of one chunk; behind each but the first lie lists that showed nothing. */
const CREATES_MAX = 4;
/** A batch that no list shows for this long is asked for by its name. */
const UNSEEN_MS = 10 * MINUTE_MS;
const NOT_FOUND_MIN = 2;
const ALARMS_MAX = 20;
const BACKOFF_MS = 30_000;
const BACKOFF_MS_MAX = 10 * MINUTE_MS;
const LIMIT_MS = 5 * MINUTE_MS;
const LIMIT_MS_MAX = HOUR_MS;
/** A result file may lag behind its batch's end; gone for good it is only after this. */
const FILE_LOOKS_MIN = 6;
const FILE_MS_MIN = 10 * MINUTE_MS;

export type BatchRules = {
  /** Empty lists must span this before a create call is made again; each time twice as long. */
  recreateAfterMs: number;
  /** Own deadline of a chunk, from its planning and again from its submission. */
  lifeMs: number;
};

export const BATCH_RULES: BatchRules = { recreateAfterMs: 10 * MINUTE_MS, lifeMs: 20 * HOUR_MS };

/** A batch as the provider lists it, as far as decisions need it. */
export type Listed = {
  name: string;
  displayName: string;
  inputFile?: string;
  end?: Exclude<ProviderEnd, 'lost'>;
  state: string;
  createdAt: EpochMs;
  responsesFile?: string;
  message?: string;
};

type Rejected = Extract<Verdict, { type: 'rejected' }>;

/** A chunk whose members are chosen, and whose records do not know it yet. */
export function planChunk(
  id: ProviderBatchId,
  plan: Pick<
    ProviderBatch,
    'channel' | 'model' | 'size' | 'estimated' | 'tokens' | 'inputBytes' | 'outputBytes' | 'rescueAt'
  >,
  now: EpochMs,
): ProviderBatch {
  return {
    ...plan,
    id,
    version: 1,
    state: 'sealing',
    createdAt: now,
    dueAt: now,
    displayName: `darkroom-${id}`,
    creates: [],
    waste: 0,
    troubles: 0,
    alarms: [],
  };
}

/** Members and sums are final; a chunk that nobody is left in is closed. */
export function seal(
  batch: ProviderBatch,
  kept: Pick<ProviderBatch, 'size' | 'estimated' | 'tokens' | 'inputBytes' | 'outputBytes' | 'rescueAt'>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'sealing') return undefined;
  return next(batch, { ...kept, state: kept.size ? 'sealed' : 'closed', dueAt: now });
}

/** The input file is at the provider. */
export function uploaded(
  batch: ProviderBatch,
  input: NonNullable<ProviderBatch['input']>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'sealed') return undefined;
  return next(batch, { input, dueAt: now, troubles: 0 });
}

/** Leave to make one create call, for whoever writes this. */
export function intendCreate(batch: ProviderBatch, rules: BatchRules, now: EpochMs): ProviderBatch | undefined {
  if (!batch.input || now >= batch.rescueAt) return undefined;
  const again = batch.state === 'creating' && batch.creates.length < CREATES_MAX && isAbsent(batch, rules);
  if (batch.state !== 'sealed' && !again) return undefined;
  const intent: CreateIntent = { at: now, emptyLists: 0 };
  return next(batch, {
    state: 'creating',
    creates: [...batch.creates, intent],
    dueAt: now + CREATE_MS,
    ...(again && alarm(batch, `created again: no list showed it (${batch.creates.length})`)),
  });
}

/** Every call is over, and lists that came after the last one have shown nothing for long enough. */
function isAbsent({ creates }: ProviderBatch, { recreateAfterMs }: BatchRules): boolean {
  const last = creates.at(-1);
  if (!last?.lastListAt || last.emptyLists < EMPTY_LISTS_MIN) return false;
  return last.lastListAt - overAt(last) >= recreateAfterMs * 2 ** (creates.length - 1);
}

function overAt({ at, endedAt }: CreateIntent): EpochMs {
  return endedAt ?? at + CREATE_MS;
}

/** The provider told the name of what `intent` (the time of the create call) made. */
export function created(
  batch: ProviderBatch,
  name: string,
  rules: BatchRules,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state !== 'creating') return undefined;
  return submitted(batch, { name, createdAt: now }, rules, now);
}

function submitted(
  batch: ProviderBatch,
  { name, createdAt }: Pick<Listed, 'name' | 'createdAt'>,
  { lifeMs }: BatchRules,
  now: EpochMs,
): ProviderBatch {
  const submittedAt = Math.min(now, createdAt);
  // Whatever was said to, or of, another batch of this name does not hold for this one.
  return next(dropping(batch, 'cancelAskedAt', 'unseen', 'providerState'), {
    state: 'submitted',
    providerName: name,
    submittedAt,
    rescueAt: Math.min(batch.rescueAt, submittedAt + lifeMs),
    dueAt: now,
    troubles: 0,
  });
}

/**
 * The provider refused to make the batch.
 *
 * A 5xx says nothing certain: that call counts as one whose end nobody saw. What later tries cannot mend ends the chunk;
 * a refused key keeps it waiting, because the key may be mended and nothing is spent meanwhile.
 */
export function createRefused(
  batch: ProviderBatch,
  verdict: Rejected,
  now: EpochMs,
  random: () => number,
): ProviderBatch | undefined {
  if (batch.state !== 'creating') return undefined;
  // An earlier call of this chunk may have worked: only lists can tell, whatever the last answer was.
  if (verdict.http >= 500 || batch.creates.length > 1) return createUnknown(batch, now);
  const why = `create was refused (${verdict.http} ${verdict.code}${verdict.message ? `: ${verdict.message}` : ''})`;
  if (!verdict.retryable && !verdict.channelDown) {
    const ended = endedBy(batch, 'failed', why.slice(0, 500), now);
    return { ...ended, end: { type: 'failed', at: now, ...ended.end, code: verdict.code } };
  }
  const troubles = batch.troubles + 1;
  const [first, most] = verdict.limit ? [LIMIT_MS, LIMIT_MS_MAX] : [BACKOFF_MS, BACKOFF_MS_MAX];
  const least = Math.min(most, first * 2 ** Math.min(troubles - 1, 10));
  const until = now + Math.round(Math.max(verdict.retryAfterMs ?? 0, least) * (1 + random() / 2));
  return next(batch, {
    state: 'sealed',
    creates: [],
    troubles,
    dueAt: until,
    ...(verdict.limit && { refusedUntil: until }),
    ...(verdict.channelDown && alarm(batch, why)),
  });
}

/** Nobody saw how the create call ended: it is looked for, and not made again before that. */
export function createUnknown(batch: ProviderBatch, now: EpochMs): ProviderBatch | undefined {
  const last = batch.creates.at(-1);
  if (batch.state !== 'creating' || !last || last.endedAt !== undefined) return undefined;
  return next(batch, { creates: [...batch.creates.slice(0, -1), { ...last, endedAt: now }], dueAt: now });
}

/** What a whole list of the account says about one chunk. `surplus` = made for it, and not wanted. */
export type Look = { batch?: ProviderBatch; surplus: Listed[] };

/**
 * @param listedAt when the list was asked for: what came later it cannot show
 * @param list every batch of the account since before the first intent
 */
export function look(
  batch: ProviderBatch,
  list: readonly Listed[],
  rules: BatchRules,
  listedAt: EpochMs,
  now: EpochMs,
): Look {
  if (batch.state !== 'creating' && batch.state !== 'submitted') return { surplus: [] };
  const found = list.filter(
    ({ name, displayName, inputFile }) =>
      name === batch.providerName ||
      (displayName === batch.displayName && (inputFile === undefined || inputFile === batch.input?.fileName)),
  );
  const kept = preferred(found);
  if (!kept) return { ...optional(unseen(batch, rules, listedAt, now)), surplus: [] };
  const surplus = found.filter((other) => other !== kept);
  const adopted = kept.name === batch.providerName ? batch : submitted(batch, kept, rules, now);
  const noted = noteSurplus(adopted, kept, surplus);
  const seen = noted.unseen ? dropping(noted, 'unseen') : noted;
  const after = observe(seen, kept, now) ?? seen;
  return { ...(after !== batch && { batch: { ...after, version: batch.version + 1 } }), surplus };
}

/** Of several, one that has its results already, else one that may come to have them; the oldest is the furthest. */
function preferred(found: Listed[]): Listed | undefined {
  const oldestFirst = found.toSorted((a, b) => a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1));
  return oldestFirst.find(({ end }) => end === 'succeeded') ?? oldestFirst.find(({ end }) => !end) ?? oldestFirst[0];
}

function noteSurplus(batch: ProviderBatch, kept: Listed, surplus: Listed[]): ProviderBatch {
  return surplus.reduce((noted, { name }) => {
    const text = `made twice: ${kept.name} is kept, ${name} is given up`;
    if (noted.alarms.includes(text)) return noted;
    return next(noted, { ...alarm(noted, text), waste: noted.waste + batch.estimated });
  }, batch);
}

/** The provider's word on a batch that is known by its name. */
export function observe(batch: ProviderBatch, seen: Listed, now: EpochMs): ProviderBatch | undefined {
  if (batch.state !== 'submitted' || seen.name !== batch.providerName) return undefined;
  if (!seen.end) return seen.state === batch.providerState ? undefined : next(batch, { providerState: seen.state });
  const ended = endedBy(batch, seen.end, seen.message, now);
  if (ended.end && seen.responsesFile) ended.end.responsesFile = seen.responsesFile;
  return { ...ended, providerState: seen.state };
}

function unseen(batch: ProviderBatch, rules: BatchRules, listedAt: EpochMs, now: EpochMs): ProviderBatch | undefined {
  if (batch.state === 'submitted')
    return batch.unseen ? undefined : next(batch, { unseen: { since: listedAt, notFoundAt: [] } });
  const last = batch.creates.at(-1);
  if (!last || listedAt < overAt(last)) return undefined;
  const counted = { ...last, emptyLists: last.emptyLists + 1, lastListAt: listedAt };
  const looked = next(batch, { creates: [...batch.creates.slice(0, -1), counted], dueAt: now });
  const given = now >= batch.rescueAt || batch.creates.length >= CREATES_MAX;
  // Nothing was ever seen of it, and nothing more is to be tried: perhaps it was made, perhaps not.
  return given && isAbsent(looked, rules)
    ? { ...endedBy(looked, 'lost', 'no list ever showed it', now), version: batch.version + 1 }
    : looked;
}

/** Whether it has been out of sight for so long that it should be asked for by its name. */
export function mayBeLost({ state, unseen: gone }: ProviderBatch, now: EpochMs): boolean {
  if (state !== 'submitted' || !gone) return false;
  const asked = gone.notFoundAt.at(-1);
  return asked === undefined ? now - gone.since >= UNSEEN_MS : now - asked >= HOUR_MS;
}

/** The provider knows no such name: said twice, an hour apart, it is over. */
export function notFound(batch: ProviderBatch, now: EpochMs): ProviderBatch | undefined {
  if (!batch.unseen || !mayBeLost(batch, now)) return undefined;
  const notFoundAt = [...batch.unseen.notFoundAt, now];
  if (notFoundAt.length >= NOT_FOUND_MIN) return endedBy(batch, 'lost', 'the provider no longer knows it', now);
  return next(batch, { unseen: { ...batch.unseen, notFoundAt } });
}

/** Why the chunk should be taken back, if it should. @param wanted whether any caller still waits for a member */
export function cancelReason(
  batch: ProviderBatch,
  wanted: boolean,
  now: EpochMs,
): NonNullable<ProviderBatch['cancelFor']> | undefined {
  if (batch.cancelAskedAt !== undefined) return undefined;
  if (batch.state !== 'sealed' && batch.state !== 'submitted') return undefined;
  if (now >= batch.rescueAt) return 'rescue';
  return wanted ? undefined : 'callers';
}

/** Taken back: at once when nothing was sent yet, else when the provider has confirmed it. */
export function cancelAsked(
  batch: ProviderBatch,
  cancelFor: NonNullable<ProviderBatch['cancelFor']>,
  now: EpochMs,
): ProviderBatch | undefined {
  if (batch.state === 'submitted') return next(batch, { cancelFor, cancelAskedAt: now });
  if (batch.state !== 'sealed') return undefined;
  const text = cancelFor === 'rescue' ? 'not sent in time' : 'not sent: canceled by the callers';
  return { ...endedBy(batch, 'canceled', text, now), cancelFor };
}

/** Over without the provider: nothing of it can be made. */
export function giveUp(batch: ProviderBatch, message: string, now: EpochMs): ProviderBatch | undefined {
  return batch.state === 'sealed' ? endedBy(batch, 'failed', message, now) : undefined;
}

function endedBy(batch: ProviderBatch, type: ProviderEnd, message: string | undefined, now: EpochMs): ProviderBatch {
  return next(batch, {
    state: 'ended',
    end: { type, at: now, ...(message && { message }) },
    dueAt: now,
    troubles: 0,
  });
}

/** Not before `at`: another chunk was told so. */
export function waitUntil(batch: ProviderBatch, at: EpochMs): ProviderBatch {
  return next(batch, { dueAt: at });
}

/** A step failed: again later, each time twice as late. */
export function troubled(batch: ProviderBatch, now: EpochMs, random: () => number): ProviderBatch {
  const troubles = batch.troubles + 1;
  const most = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(troubles - 1, 10));
  return next(batch, { troubles, dueAt: now + Math.round(most * (0.5 + random() / 2)) });
}

/** The result file is not there: for now, or for good. */
export function fileMissing(
  batch: ProviderBatch,
  now: EpochMs,
  random: () => number,
): { batch: ProviderBatch; gone: boolean } {
  const looks = batch.fileLooks ?? { count: 0, since: now };
  const fileLooks = { ...looks, count: looks.count + 1 };
  const gone = fileLooks.count >= FILE_LOOKS_MIN && now - fileLooks.since >= FILE_MS_MIN;
  return { batch: next(batch, { ...later(batch, now, random), fileLooks }), gone };
}

function later(batch: ProviderBatch, now: EpochMs, random: () => number): Pick<ProviderBatch, 'troubles' | 'dueAt'> {
  const { troubles, dueAt } = troubled(batch, now, random);
  return { troubles, dueAt };
}

/** The raw results are at rest in our own store. */
export function rawStored(
  batch: ProviderBatch,
  raw: { key: string; sha256: string; bytes: number },
  now: EpochMs,
): ProviderBatch {
  return next(batch, { harvest: { ...NO_LINES, ...raw }, dueAt: now, troubles: 0 });
}

const NO_LINES: ProviderBatchHarvest = {
  bytes: 0,
  lines: 0,
  settled: 0,
  duplicates: 0,
  unknown: 0,
  unreadable: 0,
  missing: 0,
  truncated: false,
};

/** What was counted, and what an operator should know. */
export type Counted = Omit<ProviderBatchHarvest, 'key' | 'sha256' | 'bytes' | 'doneAt'>;

/** Every line and every member is accounted for. */
export function harvested(
  batch: ProviderBatch,
  found: { counts: Counted; waste: Micros; alarms: string[] },
  now: EpochMs,
): ProviderBatch {
  const harvest = { ...(batch.harvest ?? NO_LINES), ...found.counts, doneAt: now };
  const alarms = [...batch.alarms, ...found.alarms].slice(-ALARMS_MAX);
  return next(batch, { harvest, alarms, waste: batch.waste + found.waste, dueAt: now, troubles: 0 });
}

/** Members whose results cannot be had in time are in doubt; their file is looked for all the same. */
export function gaveUpMembers(batch: ProviderBatch, now: EpochMs): ProviderBatch {
  return next(batch, { givenUpAt: now, ...alarm(batch, 'results could not be fetched in time') });
}

/** Nothing is left to do. */
export function closed(batch: ProviderBatch): ProviderBatch {
  return next(batch, { state: 'closed' });
}

function next(batch: ProviderBatch, change: Partial<ProviderBatch>): ProviderBatch {
  return { ...batch, ...change, version: batch.version + 1 };
}

function alarm({ alarms }: ProviderBatch, text: string): Pick<ProviderBatch, 'alarms'> {
  return { alarms: [...alarms, text].slice(-ALARMS_MAX) };
}

function dropping(batch: ProviderBatch, ...names: ('cancelAskedAt' | 'unseen' | 'providerState')[]): ProviderBatch {
  const copy = { ...batch };
  for (const name of names) delete copy[name];
  return copy;
}

function optional(batch: ProviderBatch | undefined): { batch?: ProviderBatch } {
  return batch ? { batch } : {};
}
