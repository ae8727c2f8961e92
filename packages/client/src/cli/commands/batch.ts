import { confirm, isCancel } from '@clack/prompts';
import type { BatchCheckView } from '@darkroom/shared/schemas';
import type { Command } from 'commander';
import type { BatchQuery } from '../../client.ts';
import { collect, prepare } from '../collect.ts';
import type { Context, Open } from '../context.ts';
import { parseDeadline } from '../deadline.ts';
import { EXIT, Exit } from '../exit.ts';
import { follow } from '../follow.ts';
import { list } from '../lists.ts';
import { openRows } from '../rows.ts';
import { submitOnce } from '../submit-once.ts';
import { describeBatch, describeCheck, describeRowError, dollars } from '../words.ts';

type BatchOptions = {
  template?: string;
  map?: string[];
  locales?: string;
  name?: string;
  model?: string;
  size?: string;
  lane?: string;
  deadline?: string;
  maxCost?: string;
  keyColumn?: string;
  priority?: string;
  canary?: string;
  onInvalid?: string;
  dryRun?: boolean;
  quote?: boolean;
  watch?: boolean;
  download?: string;
  contactSheet?: string;
  askAbove: string;
  yes?: boolean;
  idempotencyKey?: string;
  agreed?: string;
};

export function addBatch(program: Command, open: Open, end: (code: number) => void): void {
  program
    .command('batch')
    .argument('<file>', 'CSV with a header row, or JSON lines (.jsonl, .ndjson)')
    .description('make a catalogue')
    .option('--template <template>', 'such as product-hero')
    .option('--map <column=field>', 'a column to a field of the job or variable of the template; may be repeated', list)
    .option('--locales <list>', 'each row once for each, such as en,de')
    .option('--name <name>')
    .option('--model <model>')
    .option('--size <size>')
    .option('--lane <lane>', 'auto, standard or batch')
    .option('--deadline <time>', '07:00, 8h, or RFC 3339')
    .option('--max-cost <dollars>', 'of the whole batch')
    .option('--key-column <column>', 'what holds the key; # numbers the rows')
    .option('--priority <number>', '1 (last) to 9 (first)')
    .option('--canary <rows>', 'rows that go ahead before the rest is paid for; 0 for none')
    .option('--on-invalid <what>', 'reject (nothing runs) or skip (the others run)')
    .option('--dry-run', 'check every row and say what it would cost')
    .option('--quote', 'say what it would cost, and no more')
    .option('--watch', 'show it to its end')
    .option('--download <folder>', 'watch, then bring the images here')
    .option('--contact-sheet <file>', 'watch, then write one page of all images')
    .option('--ask-above <dollars>', 'ask before spending more than this', '1')
    .option('--yes', 'do not ask, and do not hold it to what the check said it costs')
    .option('--idempotency-key <key>', 'of an earlier try: what it submitted is not submitted again')
    .option('--agreed <quote>', 'a quote that was agreed to: it is the cap, and nothing is asked')
    .action(async (file: string, options: BatchOptions) => end(await run(open(), file, options)));
}

async function run(context: Context, file: string, options: BatchOptions): Promise<number> {
  const { client, signal, say, print } = context;
  const rows = await openRows(file);
  const query = queryOf(options);
  if (query['deadline']) say(`deadline ${new Date(String(query['deadline'])).toLocaleString()}`);
  const check = await rows.read((input) => client.checkBatch(input, query, { signal }));
  for (const line of describeCheck(check)) say(line);
  if (!options.quote) sayErrors(context, check);
  if (options.dryRun || options.quote) {
    print(options.quote ? { ...check, errors: [] } : check);
    if (!check.lane) throw new Exit(EXIT.invalid, `No lane would do: ${check.route}.`);
    return check.counts.invalid > 0 && !options.quote ? EXIT.invalid : EXIT.ok;
  }
  refuse(context, check, options);
  const quote = await agree(context, check, options);
  const wanted = { folder: options.download, contactSheet: options.contactSheet };
  await prepare(wanted);
  const asked: BatchQuery = { ...query, quote };
  const batch = await submitOnce(
    context,
    { ...options, agreed: quote, deadline: query['deadline']?.toString() },
    (idempotencyKey) => rows.read((input) => client.submitBatch(input, asked, { idempotencyKey, signal })),
  );
  say(describeBatch(batch));
  print(batch);
  if (!options.watch && !options.download && !options.contactSheet) return EXIT.ok;
  const code = await follow(context, batch.id);
  await collect(context, batch.id, wanted);
  return code;
}

function queryOf(options: BatchOptions): BatchQuery {
  const mapping = (options.map ?? []).map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new Exit(EXIT.invalid, `--map ${pair}: say column=field.`);
    return [`mapping[${pair.slice(0, at)}]`, pair.slice(at + 1)];
  });
  return {
    ...Object.fromEntries(mapping),
    template: options.template,
    locales: options.locales,
    name: options.name,
    model: options.model,
    size: options.size,
    lane: options.lane,
    deadline: options.deadline && parseDeadline(options.deadline, new Date()),
    max_cost: options.maxCost,
    key_column: options.keyColumn,
    priority: options.priority,
    canary: options.canary,
    on_invalid: options.onInvalid,
  };
}

function sayErrors({ say }: Context, { errors, counts }: BatchCheckView): void {
  for (const error of errors) say(describeRowError(error));
  const named = new Set(errors.map(({ line }) => line)).size;
  if (counts.invalid > named) say(`  … and ${counts.invalid - named} more rows`);
}

/** Nothing is submitted that the server would refuse; a script is told of the rows on its standard output. */
function refuse({ print }: Context, check: BatchCheckView, { onInvalid }: BatchOptions): void {
  const { counts, lane, route } = check;
  if (counts.invalid > 0 && (onInvalid !== 'skip' || counts.valid === 0)) {
    print(check);
    const way = counts.valid === 0 ? 'Mend them.' : 'Mend them, or pass --on-invalid skip.';
    throw new Exit(
      EXIT.invalid,
      `${counts.invalid} of ${counts.rows} rows are not valid; nothing was submitted. ${way}`,
    );
  }
  if (counts.valid === 0) throw new Exit(EXIT.invalid, 'The file has no rows; nothing was submitted.');
  if (!lane) throw new Exit(EXIT.invalid, `No lane would do: ${route}. Nothing was submitted.`);
}

/**
 * Money is named before it is spent, and above the limit it is asked about.
 *
 * @returns the quote that caps what was agreed to, unless everything was
 */
async function agree(context: Context, check: BatchCheckView, options: BatchOptions): Promise<string | undefined> {
  const { asks, signal } = context;
  const expected = Number((check.lane && check.cost[check.lane]) ?? 0);
  const limit = Number(options.askAbove);
  if (!Number.isFinite(limit) || limit < 0) throw new Exit(EXIT.invalid, '--ask-above must be dollars, such as 5.');
  if (options.agreed || options.yes) return options.agreed;
  if (expected <= limit) return check.quote?.id;
  // More than the price: rows may have to leave the batch lane to be in time.
  const cap = check.quote ? `, at most ${dollars(check.quote.cap)}` : '';
  const price = `about ${dollars(String(expected))}`;
  if (!asks)
    throw new Exit(EXIT.declined, `It would cost ${price}, more than --ask-above ${limit}. Pass --yes to agree.`);
  const agreed = await confirm({ message: `Spend ${price}${cap}?`, initialValue: false, signal });
  signal.throwIfAborted();
  if (isCancel(agreed) || !agreed) throw new Exit(EXIT.declined, 'Nothing was submitted.');
  return check.quote?.id;
}
