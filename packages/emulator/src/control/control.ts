/** What can be asked of a running emulator, and told to it: from the same process, or over HTTP. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { z } from 'zod';
import type { Batch } from '../batches/batch-store.ts';
import type { Bill } from '../bill.ts';
import { Course } from '../faults/course.ts';
import { Outage, type OutageInput, Outages } from '../faults/outage.ts';
import type { OutageView } from '../faults/outages.ts';
import { type FaultRule, FaultRules } from '../faults/rules.ts';
import { onDisk } from '../files/content.ts';
import type { JournalEntry, JournalPage } from '../journal.ts';
import type { ServiceAccount } from '../modes/accounts.ts';
import type { WindowReport } from '../quota.ts';
import { type Settings, SettingsPatch } from '../settings.ts';
import type { Delivery } from '../webhooks/deliver.ts';
import type { World } from '../world.ts';
import { type BatchView, type LineView, toBatchView, toLineViews } from './batches.ts';

export type Control = {
  settings(): Settings;
  /** Changes some settings. @throws ControlError when they make no sense. */
  patchSettings(patch: SettingsPatch): Settings;
  faults(): (FaultRule & { matched: number; fired: number })[];
  /** Replaces the fault script; an empty list ends all faults. @throws ControlError when it makes no sense. */
  putFaults(rules: FaultRule[]): void;
  /** The bad times that were planned, those that are over too. */
  outages(): OutageView[];
  /** Puts these in place of all others; each begins now, or `afterMs` later. @throws ControlError when they make no sense. */
  putOutages(outages: OutageInput[]): OutageView[];
  /** Begins one now, in place of any of the same name. @throws ControlError when it makes no sense. */
  startOutage(outage: OutageInput): OutageView;
  /** Ends one now. Returns whether it was not over. */
  endOutage(name: string): boolean;
  bill(): Bill;
  journal(page?: { since?: number; limit?: number }): JournalPage;
  /** How each window of each project was used since the last reset: nothing was refused when every `refused` is 0. */
  quota(): WindowReport[];
  /** Forgets the journal, the bill and what the quotas counted. */
  reset(): void;
  /** Lets held calls go on: all of them, or the first `count`. Returns how many went. */
  release(count?: number): number;
  /** Waits for a journal entry, present or future, of which `claim` holds. */
  when(claim: (entry: JournalEntry) => boolean): Promise<JournalEntry>;
  /** Waits until no request is open. */
  idle(): Promise<void>;
  /** The emulator's own time: now, how fast it goes, and when the next thing is due. Instants in epoch milliseconds. */
  clock(): { now: number; scale: number; next: number | undefined };
  /** Moves that time on at once, and does all that falls due. Returns the new time. */
  advance(ms: number): number;
  /** All batches, newest first, deleted ones too. */
  batches(): BatchView[];
  /** What each line of a batch that is over came to. @throws ControlError when there is no such batch. */
  batchLines(id: string): LineView[];
  /** Changes some of the course of a batch that is not over. @throws ControlError when it makes no sense. */
  setCourse(id: string, course: Course): BatchView;
  /** Waits for a batch, present or future, of which `claim` holds. Asked again at each change. */
  whenBatch(claim: (batch: BatchView) => boolean): Promise<BatchView>;
  /** The latest tries to deliver webhooks, oldest first. */
  deliveries(): Delivery[];
  /** The file of a project's service account; its token endpoint is `POST {url}/token`. */
  serviceAccount(project: string): ServiceAccount;
  /** Stores a file to download as `files/{name}`. @throws ControlError for a name Google would not give. */
  putFile(file: { name: string; mimeType: string; bytes: Buffer }): void;
};

/** What was asked for makes no sense; the message says which field and why. */
export class ControlError extends Error {
  override name = 'ControlError';
}

/** A year. */
const SPAN_MS_MAX = 366 * 24 * 3_600_000;
const JOURNAL_PAGE_MAX = 10_000;
const Page = z.strictObject({
  since: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(JOURNAL_PAGE_MAX).default(JOURNAL_PAGE_MAX),
});
const Span = z.number().int().min(0).max(SPAN_MS_MAX);
const ProjectName = z.string().regex(/^[\w-]{1,64}$/, 'letters, digits and dashes, at most 64');
const FileName = z.string().regex(/^[a-z0-9-]{1,60}$/, 'lower-case letters, digits and dashes, at most 60');

export function createControl(world: World, url: () => string): Control {
  const viewOf = (batch: Batch) => toBatchView(batch, world.clock.now());
  const batchOf = (id: string) => {
    const batch = world.batches.find(id.replace(/^batches\//, ''));
    if (!batch) throw new ControlError(`id: there is no batch ${id}`);
    return batch;
  };
  return {
    settings: () => world.settings,
    patchSettings(patch) {
      const given = Object.entries(parse(SettingsPatch, patch)).filter(([, value]) => value !== undefined);
      world.settings = { ...world.settings, ...Object.fromEntries(given) };
      if (patch.projects !== undefined) world.faults.replaceOwn(world.settings.projects);
      if (patch.clock_scale !== undefined) world.clock.setScale(patch.clock_scale);
      return world.settings;
    },
    faults: () => world.faults.list(),
    putFaults: (rules) => world.faults.replace(parse(FaultRules, rules)),
    outages: () => world.outages.list(),
    putOutages(outages) {
      world.outages.replace(parse(Outages, outages));
      return world.outages.list();
    },
    startOutage: (outage) => world.outages.start(parse(Outage, outage)),
    endOutage: (name) => world.outages.end(name),
    bill: () => world.journal.bill(),
    journal(page = {}) {
      const { since, limit } = parse(Page, page);
      return world.journal.page(since, limit);
    },
    quota: () => world.quota.report(),
    reset() {
      world.journal.reset();
      world.quota.reset();
    },
    release: (count) => world.hold.release(count),
    when: (claim) => world.journal.when(claim),
    idle: () => world.journal.idle(),
    clock: () => ({ now: world.clock.now(), scale: world.settings.clock_scale, next: world.clock.next() }),
    advance(ms) {
      world.clock.advance(parse(Span, ms));
      return world.clock.now();
    },
    batches: () => world.batches.all().map(viewOf).toReversed(),
    batchLines: (id) => toLineViews(batchOf(id), world.clock.now()),
    setCourse(id, course) {
      const batch = batchOf(id);
      world.batches.redirect(batch, parse(Course, course));
      return viewOf(batch);
    },
    whenBatch: (claim) =>
      new Promise((resolve) => {
        const known = world.batches.all().map(viewOf).find(claim);
        if (known) return resolve(known);
        const forget = world.batches.onChange((batch) => {
          const view = viewOf(batch);
          if (!claim(view)) return;
          forget();
          resolve(view);
        });
      }),
    deliveries: () => world.webhooks.deliveries(),
    serviceAccount: (project) => world.accounts.file(parse(ProjectName, project), `${url()}/token`),
    putFile({ name, mimeType, bytes }) {
      const id = parse(FileName, name);
      world.files.remove(id);
      const path = world.disk.newPath();
      writeFileSync(path, bytes);
      const now = world.clock.now();
      const times = { createdAt: now, activeAt: now, expiresAt: now + world.settings.files.life_ms };
      world.files.add({
        id,
        ...times,
        mimeType,
        project: undefined,
        displayName: undefined,
        sizeBytes: bytes.length,
        sha256Hex: createHash('sha256').update(bytes).digest('hex'),
        source: 'GENERATED',
        content: onDisk(world.disk, path),
      });
    },
  };
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error));
  return parsed.data;
}
