/**
 * Whether the system kept its promises, judged from outside: the records as they lie, the provider's own bill and
 * journal, the images as a caller gets them, the spool's files. It shares no code with the product's decisions.
 *
 * I1 an accepted job is never lost · I2 calls of a job ≤ attempts on its record, which never overlap but for one beside a
 * slow one, through another channel · I3 the sums add up and cover the bill of each account to the micro-dollar · I4 a paid
 * image is stored and whole, the spool ends empty · I7 an end never changes and is told once · I13 nothing is left pending.
 */

import { type JournalEntry, makesImages } from '@darkroom/emulator';
import type { AttemptRecord, JobRecord, TenantRecords } from './records.ts';

export type Seen = {
  tenants: TenantRecords[];
  journal: JournalEntry[];
  /** Channels that are accounts of their own at the provider, with bills of their own; all others share one. */
  accounts: ReadonlySet<string>;
  /** What callers were promised and shown. */
  accepted: ReadonlySet<string>;
  ends: ReadonlyMap<string, string>;
  /** What a caller gets for a job now: its end, and the digest of each of its images as downloaded. */
  shown: ReadonlyMap<
    string,
    { status: number; end?: string; images: { key: string; sha256?: string; bytes?: number }[] }
  >;
  /** Names of files left in the spool. */
  spooled: string[];
  /** Names of all objects below `results/`. */
  stored: string[];
};

export type Figures = {
  jobs: number;
  byStatus: Record<string, number>;
  calls: number;
  settled: number;
  rejected: number;
  inDoubt: number;
  /** Calls the provider saw, those it charged, and charges no settled attempt accounts for. */
  providerCalls: number;
  billed: number;
  extra: number;
  images: number;
  /** Attempts that were sent beside a slow one, and images that were paid for beyond the first of their job. */
  hedges: number;
  spare: number;
};

/** One account's bill, in micro-dollars, and what the records say of it. */
export type AccountBill = { account: string; calls: number; billed: number; settled: number; unsettled: number };

const TERMINAL = new Set(['succeeded', 'blocked', 'failed', 'canceled', 'expired']);
/** Start times and durations come from two clocks of the same machine. */
const CLOCK_SLACK_MS = 25;

/** Everything that is not as it was promised; none = all is well. */
export function violationsOf(seen: Seen): string[] {
  const jobs = seen.tenants.flatMap((tenant) => tenant.jobs);
  return [
    ...lostJobs(seen, jobs),
    ...overlaps(jobs),
    ...groupsOf(seen, jobs).flatMap(moneyOf),
    ...seen.tenants.flatMap(sumsOf),
    ...brokenImages(seen, jobs),
    ...strayObjects(seen, jobs),
    ...changedEnds(seen),
    ...seen.tenants.flatMap(leftovers),
    ...seen.spooled.map((name) => `I4 ${name} is left in the spool`),
  ];
}

export function figuresOf(seen: Seen): Figures {
  const jobs = seen.tenants.flatMap((tenant) => tenant.jobs);
  const attempts = jobs.flatMap((job) => job.attempts);
  const count = (state: string) => attempts.filter((attempt) => attempt.state === state).length;
  const calls = seen.journal.filter(isCall);
  const groups = groupsOf(seen, jobs);
  return {
    jobs: jobs.length,
    byStatus: Object.fromEntries([...Map.groupBy(jobs, ({ status }) => status)].map(([name, of]) => [name, of.length])),
    calls: attempts.length,
    settled: count('settled'),
    rejected: count('rejected'),
    inDoubt: count('in_doubt'),
    providerCalls: calls.length,
    billed: calls.filter(({ billed }) => billed).length,
    extra: groups.reduce((sum, group) => sum + unclaimed(group).length, 0),
    images: jobs.reduce((sum, { images, lateImages }) => sum + images.length + lateImages.length, 0),
    hedges: attempts.filter(({ hedge }) => hedge).length,
    spare: jobs.reduce((sum, job) => sum + Math.max(0, imagesPaid(job) - 1), 0),
  };
}

/** What each account charged, held against the records: a bill is settled + unsettled, and the latter is in doubt or lost. */
export function billsOf(seen: Seen): AccountBill[] {
  const sum = (costs: number[]) => costs.reduce((total, cost) => total + cost, 0);
  const groups = groupsOf(
    seen,
    seen.tenants.flatMap(({ jobs }) => jobs),
  );
  return [...Map.groupBy(groups, ({ account }) => account)].map(([account, of]) => ({
    account,
    calls: sum(of.map(({ calls }) => calls.length)),
    billed: sum(of.flatMap(chargesOf)),
    settled: sum(of.flatMap(settledCosts)),
    unsettled: sum(of.flatMap(unclaimed)),
  }));
}

/** Answers of ordinary calls that brought an image, all of them paid. */
function imagesPaid({ attempts }: JobRecord): number {
  return attempts.filter(({ lane, state, error }) => lane === 'standard' && state === 'settled' && !error).length;
}

/** I1: accepted = terminal + open, each id is known, and nothing exists that nobody was promised. */
function lostJobs({ accepted, shown, tenants }: Seen, jobs: JobRecord[]): string[] {
  const known = new Set(jobs.map(({ id }) => id));
  const missing = [...accepted].filter((id) => !known.has(id)).map((id) => `I1 ${id} was accepted and has no record`);
  const unknown = jobs.filter(({ id }) => !accepted.has(id)).map(({ id }) => `I1 ${id} exists and was never answered`);
  const gone = [...shown]
    .filter(([, { status }]) => status !== 200)
    .map(([id, { status }]) => `I1 GET ${id} answers ${status}`);
  const unlisted = tenants.flatMap((tenant) =>
    tenant.jobs
      .filter(({ id, status, archived, row }) => !archived && !row && !tenant.listed.get(status)?.includes(id))
      .map(({ id, status }) => `I1 ${id} is ${status} and not on that list`),
  );
  const doubled = tenants.flatMap(({ listed }) => {
    const all = [...listed.values()].flat();
    return all.filter((id, i) => all.indexOf(id) !== i).map((id) => `I1 ${id} is on the lists of two statuses`);
  });
  return [...missing, ...unknown, ...gone, ...unlisted, ...doubled, ...tenants.flatMap(miscountedRows)];
}

/** I1: rows are on no list; there are as many of each status as are counted. */
function miscountedRows({ tenant, jobs, rows }: TenantRecords): string[] {
  const live = jobs.filter(({ row, archived }) => row && !archived);
  return [...new Set([...Object.keys(rows), ...live.map(({ status }) => status)])].flatMap((name) => {
    const found = live.filter(({ status }) => status === name).length;
    const counted = rows[name] ?? 0;
    return found === counted ? [] : [`I1 ${tenant}: ${found} rows are ${name}, ${counted} are counted`];
  });
}

/**
 * I2: two attempts of one job are never out at the same time, and at most one is open. Two things may stand beside an
 * attempt: a second provider batch of its chunk, which must be told of (B4), under its id and a suffix; and one other call
 * through another channel, marked as such.
 */
function overlaps(jobs: JobRecord[]): string[] {
  return jobs.flatMap(({ id, attempts, open }) => {
    const found: string[] = [];
    attempts.forEach((attempt, i) => {
      const next = attempts[i + 1];
      if (next && attempt.ms !== undefined && attempt.startedAt + attempt.ms > next.startedAt + CLOCK_SLACK_MS)
        if (attempt.state !== 'in_doubt' && !next.id.startsWith(`${attempt.id}-`) && !next.hedge)
          found.push(`I2 ${id}: attempt ${i + 2} began before attempt ${i + 1} had ended`);
      if (next?.hedge && next.channel === attempt.channel)
        found.push(`I2 ${id}: attempt ${i + 2} was sent beside attempt ${i + 1} through the same channel`);
    });
    const [opened, ...more] = attempts.filter(({ state }) => state === 'open');
    const told = opened?.providerBatch ? '-' : (opened?.id ?? '');
    if (more.length || told !== open) found.push(`I2 ${id}: its open attempt is unclear`);
    return found;
  });
}

/** Jobs of one prompt and the calls of one account that carried it: these are all the two sides have in common. */
type Group = { prompt: string; account: string; attempts: AttemptRecord[]; calls: JournalEntry[] };
const SHARED = 'shared';

function groupsOf(seen: Seen, jobs: JobRecord[]): Group[] {
  const accountOf = (name: string) => (seen.accounts.has(name) ? name : SHARED);
  return [...byPrompt(seen, jobs)].flatMap(([prompt, { attempts, calls }]) => {
    const attemptsOf = Map.groupBy(attempts, ({ channel }) => accountOf(channel));
    const callsOf = Map.groupBy(calls, ({ project }) => accountOf(project));
    return [...new Set([...attemptsOf.keys(), ...callsOf.keys()])].map((account) => ({
      prompt,
      account,
      attempts: attemptsOf.get(account) ?? [],
      calls: callsOf.get(account) ?? [],
    }));
  });
}

type OfPrompt = Pick<Group, 'attempts' | 'calls'>;

function byPrompt({ journal }: Seen, jobs: JobRecord[]): Map<string, OfPrompt> {
  const groups = new Map<string, OfPrompt>();
  const groupOf = (prompt: string): OfPrompt => {
    const group = groups.get(prompt) ?? { attempts: [], calls: [] };
    groups.set(prompt, group);
    return group;
  };
  // Attempts of the batch lane are no calls of their own: what they cost is held against the lines of provider batches.
  for (const job of jobs) groupOf(job.prompt).attempts.push(...job.attempts.filter(({ lane }) => lane !== 'batch'));
  const prompts = [...groups.keys()];
  for (const entry of journal.filter(isCall)) {
    const prompt = entry.prompt ?? '';
    // References bring captions of their own behind the prompt.
    const name = groups.has(prompt) ? prompt : prompts.find((known) => prompt.startsWith(known));
    groupOf(name ?? prompt).calls.push(entry);
  }
  return groups;
}

function isCall({ route }: JournalEntry): boolean {
  return makesImages(route);
}

/** I2 and I3 for one prompt: no call without an attempt, no charge that is neither settled nor in doubt. */
function moneyOf(group: Group): string[] {
  const { prompt, account, attempts, calls } = group;
  const about = account === SHARED ? `"${prompt.slice(0, 40)}"` : `"${prompt.slice(0, 40)}" at ${account}`;
  const found: string[] = [];
  if (calls.length > attempts.length)
    found.push(`I2 ${about}: ${calls.length} calls for ${attempts.length} attempts on record`);
  for (const cost of settledCosts(group)) {
    if (!takeFrom(chargesOf(group), cost)) found.push(`I3 ${about}: ${cost} settled and never charged`);
  }
  const doubts = attempts.filter(({ state }) => state === 'in_doubt');
  const open = attempts.filter(({ state }) => state === 'open');
  const extra = unclaimed(group);
  if (extra.length > doubts.length + open.length)
    found.push(`I3 ${about}: ${extra.length} charges are not settled, ${doubts.length} are in doubt`);
  if (doubts.some(({ cost }) => !cost)) found.push(`I3 ${about}: a doubt is not counted as spent`);
  return found;
}

function settledCosts({ attempts }: Group): number[] {
  return attempts.flatMap(({ state, cost }) => (state === 'settled' && cost ? [cost] : []));
}

function chargesOf({ calls }: Group): number[] {
  return calls.flatMap(({ billed }) => (billed ? [billed.cost_micros] : []));
}

/** The provider's charges that no settled attempt carries, to the micro-dollar. */
function unclaimed(group: Group): number[] {
  const charges = chargesOf(group);
  for (const cost of settledCosts(group)) takeFrom(charges, cost);
  return charges;
}

function takeFrom(charges: number[], cost: number): boolean {
  const at = charges.indexOf(cost);
  if (at >= 0) charges.splice(at, 1);
  return at >= 0;
}

/** I3: calls = settled + rejected + in doubt + open, and the sums are what the records add up to. */
function sumsOf({ tenant, jobs, totals }: TenantRecords): string[] {
  const attempts = jobs.flatMap((job) => job.attempts);
  const of = (state: string) => attempts.filter((attempt) => attempt.state === state);
  const cost = (list: AttemptRecord[]) => list.reduce((sum, attempt) => sum + (attempt.cost ?? 0), 0);
  const expected: Record<string, number> = {
    calls: attempts.length,
    settled: of('settled').length,
    rejected: of('rejected').length,
    in_doubt: of('in_doubt').length,
    actual: cost(of('settled')),
    in_doubt_cost: cost(of('in_doubt')),
  };
  const found = Object.entries(expected).flatMap(([name, value]) =>
    (totals[name] ?? 0) === value
      ? []
      : [`I3 ${tenant}: the sum ${name} is ${totals[name] ?? 0}, the records add up to ${value}`],
  );
  const { calls = 0, settled = 0, rejected = 0, in_doubt = 0 } = totals;
  if (calls !== settled + rejected + in_doubt + of('open').length) found.push(`I3 ${tenant}: calls do not add up`);
  return found;
}

/** I4: every image is there, whole, and no two prompts got the same one. */
function brokenImages({ shown }: Seen, jobs: JobRecord[]): string[] {
  const owners = new Map<string, string>();
  return jobs.flatMap((job) => {
    const found: string[] = [];
    if (job.status === 'succeeded' && job.images.length === 0) found.push(`I4 ${job.id} succeeded without an image`);
    for (const { key, sha256, bytes } of [...job.images, ...job.lateImages]) {
      const got = shown.get(job.id)?.images.find((image) => image.key === key);
      if (got?.sha256 !== sha256 || got.bytes !== bytes)
        found.push(`I4 ${job.id}: its image ${key} is not what was paid for`);
      const owner = owners.get(sha256) ?? job.prompt;
      owners.set(sha256, owner);
      if (owner !== job.prompt) found.push(`I4 ${job.id} shows the image of another prompt`);
    }
    return found;
  });
}

/** I4: the store holds each recorded image with its small copy, and nothing else. */
function strayObjects({ stored }: Seen, jobs: JobRecord[]): string[] {
  const recorded = jobs.flatMap(({ images, lateImages }) => [...images, ...lateImages].map(({ key }) => key));
  const due = new Set(recorded.flatMap((key) => [key, `${key.slice(0, key.lastIndexOf('.'))}.thumb.webp`]));
  const there = new Set(stored);
  return [
    ...stored.filter((name) => !due.has(name)).map((name) => `I4 ${name} is stored and on no record`),
    ...[...due].filter((name) => !there.has(name)).map((name) => `I4 ${name} is not in the store`),
  ];
}

/** I7: a terminal state stays as it was first shown, and is announced once. */
function changedEnds({ ends, shown, tenants }: Seen): string[] {
  const changed = [...ends]
    .filter(([id, end]) => shown.has(id) && shown.get(id)?.end !== end)
    .map(([id, end]) => `I7 ${id} ended as ${end} and now shows ${shown.get(id)?.end}`);
  const announced = tenants.flatMap(({ events, jobs }) => {
    const told = Map.groupBy(
      events.filter(({ type }) => TERMINAL.has(type.replace('job.', ''))),
      ({ job }) => job,
    );
    return jobs
      .filter(({ status }) => TERMINAL.has(status))
      .flatMap(({ id, status }) => {
        const types = (told.get(id) ?? []).map(({ type }) => type);
        return types.join() === `job.${status}`
          ? []
          : [`I7 ${id} is ${status} and was announced as ${types.join() || 'nothing'}`];
      });
  });
  return [...changed, ...announced];
}

/** I13: an idle system waits for nothing. */
function leftovers({ tenant, jobs, pending }: TenantRecords): string[] {
  const open = jobs.filter(({ status }) => !TERMINAL.has(status));
  const left = Object.entries(pending).flatMap(([list, size]) =>
    open.length === 0 && size > 0 ? [`I13 ${tenant}: ${size} left in ${list}`] : [],
  );
  return [...left, ...open.map(({ id, status }) => `I1 ${id} is still ${status}`)];
}
