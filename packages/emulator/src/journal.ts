/**
 * Every request in the order it came, and the bill that follows from it.
 *
 * An entry is opened when the request's head arrives and changes until its connection is done with; readers see it as it
 * stands. The oldest entries are dropped beyond a bound, but the bill keeps counting them.
 */
import { EventEmitter } from 'node:events';
import { type Bill, type Charge, countCall, countCharge, emptyBill } from './bill.ts';
import type { Mode } from './mode.ts';
import { makesImages, type RouteName } from './routes/names.ts';

/**
 * How a request stands: `open` until it ends; `settled` = a whole 200 was sent; `rejected` = a whole error answer was
 * sent; `lost` = the connection ended first. Whether it was charged says `billed`.
 */
export type Outcome = 'open' | 'settled' | 'rejected' | 'lost';

export type JournalEntry = {
  /** 1-based, never used twice. */
  n: number;
  /** Epoch milliseconds, by the emulator's clock. */
  at: number;
  route: RouteName;
  mode: Mode;
  project: string;
  path: string;
  /** `v1`, `v1beta`, `v1alpha` or `v1beta1`. */
  version: string;
  model?: string;
  /** The words of the last user turn, cut at 2,000 characters. */
  prompt?: string;
  /** The last four characters of the API key or token. */
  key: string;
  outcome: Outcome;
  /** Accepted, and waiting to be released. */
  held?: boolean;
  /** The caller closed the connection before the answer ended. */
  left?: boolean;
  http_status?: number;
  /** The kind of the fault that was injected. */
  fault?: string;
  /** The id of the file it is about, without `files/`. */
  file?: string;
  /** The id of the batch it is about, without `batches/`. */
  batch?: string;
  /** The name its caller gave to that batch. */
  display_name?: string;
  /** What an upload declared, or a chunk brought. */
  bytes?: number;
  finish_reason?: string;
  response_id?: string;
  /** Present when the call was charged. */
  billed?: Charge;
  /** The whole answer was handed to the socket before the connection closed. */
  answered: boolean;
  /** From the request's head to its end. */
  ms?: number;
};

export type JournalPage = { entries: JournalEntry[]; last: number; in_flight: number };

export type Journal = {
  open(entry: Pick<JournalEntry, 'route' | 'mode' | 'project' | 'path' | 'version' | 'key'>): JournalEntry;
  /** Changes an entry; a charge lands on the bill in the same step. */
  update(entry: JournalEntry, change: Partial<JournalEntry>): void;
  /** Entries after number `since`, at most `limit`. */
  page(since: number, limit: number): JournalPage;
  bill(): Bill;
  /** Puts on the bill what no single request caused. */
  book(entry: (bill: Bill) => void): void;
  /** The first entry, present or future, of which `claim` holds. Asked again at each change. */
  when(claim: (entry: JournalEntry) => boolean): Promise<JournalEntry>;
  /** Resolves once no request is open. */
  idle(): Promise<void>;
  /** Forgets entries and bill. Requests still open are counted nowhere. */
  reset(): void;
};

const ENTRIES_MAX = 50_000;
const PROMPT_MAX = 2000;

export function createJournal(now: () => number): Journal {
  const changes = new EventEmitter<{ change: [JournalEntry]; idle: [] }>().setMaxListeners(0);
  let last = 0;
  let bill = emptyBill();
  let entries: JournalEntry[] = [];
  const open = new Set<JournalEntry>();

  let countedFrom = 1;
  const isCounted = (entry: JournalEntry) => entry.n >= countedFrom;

  // Numbers have no gaps, so an entry's place follows from its number.
  const firstN = () => entries[0]?.n ?? last + 1;

  function close(entry: JournalEntry): void {
    if (open.delete(entry) && open.size === 0) changes.emit('idle');
  }

  function count(entry: JournalEntry, change: Partial<JournalEntry>): void {
    if (!makesImages(entry.route) || !isCounted(entry)) return;
    if (change.model !== undefined) countCall(bill, change.model, entry.project);
    if (change.billed) countCharge(bill, entry.model ?? '', entry.project, change.billed);
  }

  return {
    open(head) {
      last += 1;
      const entry: JournalEntry = { n: last, at: now(), ...head, outcome: 'open', answered: false };
      entries.push(entry);
      // Dropped in lots, so that a long run does not move the whole list at each request.
      if (entries.length > ENTRIES_MAX * 1.1) entries = entries.slice(-ENTRIES_MAX);
      open.add(entry);
      return entry;
    },
    update(entry, change) {
      count(entry, change);
      Object.assign(entry, change, change.prompt === undefined ? {} : { prompt: change.prompt.slice(0, PROMPT_MAX) });
      if (isCounted(entry)) changes.emit('change', entry);
      if (entry.outcome !== 'open') close(entry);
    },
    page: (since, limit) => {
      const start = Math.max(0, since + 1 - firstN());
      return { entries: entries.slice(start, start + limit), last, in_flight: open.size };
    },
    bill: () => structuredClone(bill),
    book: (entry) => entry(bill),
    when: (claim) =>
      new Promise((resolve) => {
        const known = entries.find((entry) => claim(entry));
        if (known) return resolve(known);
        const look = (entry: JournalEntry) => {
          if (!claim(entry)) return;
          changes.off('change', look);
          resolve(entry);
        };
        changes.on('change', look);
      }),
    idle: () => (open.size === 0 ? Promise.resolve() : new Promise((resolve) => changes.once('idle', resolve))),
    reset() {
      entries = [];
      bill = emptyBill();
      countedFrom = last + 1;
    },
  };
}
