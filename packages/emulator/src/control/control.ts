/** What can be asked of a running emulator, and told to it: from the same process, or over HTTP. */
import { z } from 'zod';
import type { Bill } from '../bill.ts';
import { type FaultRule, FaultRules } from '../faults/rules.ts';
import type { JournalEntry, JournalPage } from '../journal.ts';
import { type Settings, SettingsPatch } from '../settings.ts';
import type { World } from '../world.ts';

export type Control = {
  settings(): Settings;
  /** Changes some settings. @throws ControlError when they make no sense. */
  patchSettings(patch: SettingsPatch): Settings;
  faults(): (FaultRule & { matched: number; fired: number })[];
  /** Replaces the fault script; an empty list ends all faults. @throws ControlError when it makes no sense. */
  putFaults(rules: FaultRule[]): void;
  bill(): Bill;
  journal(page?: { since?: number; limit?: number }): JournalPage;
  /** Forgets the journal, the bill and what the quotas counted. */
  reset(): void;
  /** Lets held calls go on: all of them, or the first `count`. Returns how many went. */
  release(count?: number): number;
  /** Waits for a journal entry, present or future, of which `claim` holds. */
  when(claim: (entry: JournalEntry) => boolean): Promise<JournalEntry>;
  /** Waits until no request is open. */
  idle(): Promise<void>;
  /** Stores a file to download as `files/{name}`. @throws ControlError for a name Google would not give. */
  putFile(file: { name: string; mimeType: string; bytes: Buffer }): void;
};

/** What was asked for makes no sense; the message says which field and why. */
export class ControlError extends Error {
  override name = 'ControlError';
}

const JOURNAL_PAGE_MAX = 10_000;
const Page = z.strictObject({
  since: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(JOURNAL_PAGE_MAX).default(JOURNAL_PAGE_MAX),
});
const FileName = z.string().regex(/^[a-z0-9-]{1,60}$/, 'lower-case letters, digits and dashes, at most 60');

export function createControl(world: World): Control {
  return {
    settings: () => world.settings,
    patchSettings(patch) {
      const given = Object.entries(parse(SettingsPatch, patch)).filter(([, value]) => value !== undefined);
      world.settings = { ...world.settings, ...Object.fromEntries(given) };
      return world.settings;
    },
    faults: () => world.faults.list(),
    putFaults: (rules) => world.faults.replace(parse(FaultRules, rules)),
    bill: () => world.journal.bill(),
    journal(page = {}) {
      const { since, limit } = parse(Page, page);
      return world.journal.page(since, limit);
    },
    reset() {
      world.journal.reset();
      world.quota.reset();
    },
    release: (count) => world.hold.release(count),
    when: (claim) => world.journal.when(claim),
    idle: () => world.journal.idle(),
    putFile: (file) => world.files.put({ ...file, name: parse(FileName, file.name) }),
  };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error));
  return parsed.data;
}
