/** Checks rows as jobs are checked at submission, and turns the good ones into lines of an input shard. */

import {
  AppError,
  type BatchRow,
  fingerprint,
  type JobRequest,
  type Lane,
  type Micros,
  type Reference,
  type Template,
} from '../../domain/index.ts';
import { BATCH_FIELDS, BatchItemBody, parse, type SubmitJobBody, withFirstModel } from '../../schemas/index.ts';
import { costsOf, noChannel, offersOf, wantedOf } from '../offers.ts';
import { checkCapabilities, type Resolved, toRequest } from '../resolve-request.ts';
import { type Offering, resolveRouting } from '../resolve-routing.ts';
import { fillTemplate } from '../templates.ts';
import { ROWS_MAX } from './limits.ts';
import type { IncomingRow } from './read-rows.ts';
import type { ReferenceCache } from './reference-cache.ts';
import { type RowError, rowErrorsOf } from './row-errors.ts';

export type RowCheckDeps = {
  references: ReferenceCache;
  channels: Offering;
  /** The template that a row or the batch names. @throws AppError `not_found` */
  findTemplate: (id: string) => Promise<Template>;
};

export type RowCheck = {
  /** Good rows and bad, in the order they came. */
  take(rows: IncomingRow[]): Promise<(CheckedRow | RowError[])[]>;
};

/** A row as its shard keeps it, what it would cost on each lane, and the lanes that can carry it. */
type CheckedRow = { row: Omit<BatchRow, 'at' | 'bytes'>; cost: Record<Lane, Micros>; lanes: readonly Lane[] };

type Candidate = { row: IncomingRow; key: string; body: SubmitJobBody; resolved: Resolved };

export function createRowCheck(
  deps: RowCheckDeps,
  options: {
    /** Fields of a job that every row has unless it says otherwise, as the caller wrote them. */
    defaults: Record<string, unknown>;
    priority: number;
    /** What the rows will most likely travel on. */
    lane: Lane;
    /** Each row once for each; none = each row once. */
    locales: string[];
  },
): RowCheck {
  const { defaults, priority, lane, locales } = options;
  const seen = new Map<string, number>();
  const templates = new Map<string, Template | AppError>();
  const common = { lane: 'auto', priority } as const;
  const bare = Object.keys(defaults).length === 0;
  let accepted = 0;

  const candidate = (row: IncomingRow): Candidate | RowError[] => {
    if ('errors' in row) return row.errors;
    if (seen.size >= ROWS_MAX) throw tooMany(`has more than ${ROWS_MAX} rows`);
    const asked = bare ? row.item : { ...defaults, ...row.item };
    const key = typeof asked['key'] === 'string' ? asked['key'] : undefined;
    try {
      const item = parse(BatchItemBody, withFirstModel(filled(asked)));
      claim(item.key, row.line);
      const body: SubmitJobBody = Object.assign(item, common);
      return { row, key: item.key, body, resolved: checkCapabilities(body) };
    } catch (error) {
      return rowErrorsOf(error, { ...row, ...(key && { key: key.slice(0, 64) }) }).map(optionNamed);
    }
  };
  const filled = (asked: Record<string, unknown>): Record<string, unknown> => {
    const template = typeof asked['template'] === 'string' ? templates.get(asked['template']) : undefined;
    if (template instanceof AppError) throw template;
    return template ? fillTemplate(template, asked) : asked;
  };
  const claim = (key: string, line: number) => {
    const before = seen.get(key);
    if (before !== undefined) {
      const message = `is the key of line ${before} too`;
      throw new AppError('invalid_request', { message, param: 'key', errors: [{ path: 'key', message }] });
    }
    seen.set(key, line);
  };
  const finish = ({ row, key, body, resolved }: Candidate): CheckedRow | RowError[] => {
    try {
      const references = body.references.length ? deps.references.of(body.references) : NONE;
      const { model, warnings } = resolved;
      const routing = resolveRouting(body, model, deps.channels);
      const wanted = wantedOf(body, { model, routing, references });
      const offers = offersOf(wanted, deps.channels.channels);
      if (!offers.length) throw inOne(noChannel(wanted, lane, deps.channels.channels));
      const request: JobRequest = toRequest(body, {
        model,
        lane,
        maxCost: undefined,
        references,
        routing,
      });
      const cost = costsOf(offers, wanted);
      return {
        row: {
          n: accepted++,
          key,
          request,
          fingerprint: fingerprint(request),
          estimated: cost[lane],
          ...(warnings.length && { warnings }),
        },
        cost,
        lanes: offers.map((offer) => offer.lane),
      };
    } catch (error) {
      return rowErrorsOf(error, { ...row, key });
    }
  };

  return {
    take: async (incoming) => {
      const rows = locales.length ? incoming.flatMap((row) => inEach(locales, row)) : incoming;
      await loadTemplates(deps, templates, namesOf(rows, defaults));
      const shared = typeof defaults['template'] === 'string' ? templates.get(defaults['template']) : undefined;
      // Rows with templates of their own are judged by those.
      if (rows.some((row) => 'item' in row && row.item['template'] === undefined)) refuseLocales(locales, shared);
      const candidates = rows.map(candidate);
      const wanted = candidates.flatMap((one) => (Array.isArray(one) ? [] : one.body.references));
      if (wanted.length) await deps.references.load(wanted);
      return candidates.map((one) => (Array.isArray(one) ? one : finish(one)));
    },
  };
}

/** What a row may not say for itself is no slip of the pen. */
function optionNamed(error: RowError): RowError {
  if (!BATCH_FIELDS.includes(error.path)) return error;
  return { ...error, message: 'is an option of the whole batch: say it once, beside the rows' };
}

/** One error for the row, not one for each channel. */
function inOne({ code, message, param }: AppError): AppError {
  return new AppError(code, { message, ...(param && { param }) });
}

const NONE: Reference[] = [];
/** Different templates that the rows of one batch may name. */
const TEMPLATES_MAX = 1_000;

/** A row for each locale, under a key of its own. */
function inEach(locales: string[], row: IncomingRow): IncomingRow[] {
  if ('errors' in row) return [row];
  return locales.map((locale) => ({
    ...row,
    item: { ...row.item, key: `${String(row.item['key'])}:${locale}`, locale },
  }));
}

/** A locale that the batch's template has not is one mistake, not one for each row. */
function refuseLocales(locales: string[], template: Template | AppError | undefined): void {
  if (!template || template instanceof AppError) return;
  const known = template.locales ?? {};
  const unknown = locales.find((locale) => !Object.hasOwn(known, locale));
  if (unknown === undefined) return;
  throw new AppError('invalid_request', {
    message: `locales names "${unknown}", which template ${template.name} does not have.`,
    param: 'locales',
    fix: Object.keys(known).length ? `Use ${Object.keys(known).join(', ')}.` : 'Leave locales out.',
  });
}

function namesOf(rows: IncomingRow[], { template }: Record<string, unknown>): Set<string> {
  const names = new Set(typeof template === 'string' ? [template] : []);
  for (const row of rows) {
    if ('item' in row && typeof row.item['template'] === 'string') names.add(row.item['template']);
  }
  return names;
}

async function loadTemplates(
  { findTemplate }: RowCheckDeps,
  known: Map<string, Template | AppError>,
  names: Set<string>,
): Promise<void> {
  for (const name of names) {
    if (known.has(name)) continue;
    if (known.size >= TEMPLATES_MAX) throw tooMany(`names more than ${TEMPLATES_MAX} templates`);
    const found = await findTemplate(name).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'not_found') return error;
      throw error;
    });
    known.set(name, found);
  }
}

/** About the batch, not about a row: thrown where rows are not judged. */
function tooMany(what: string): AppError {
  return new AppError('payload_too_large', { message: `The batch ${what}.`, fix: 'Send it as several batches.' });
}
