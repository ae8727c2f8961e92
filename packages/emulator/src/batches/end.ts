/** What happens when a batch is over. */
import { countBatch } from '../bill.ts';
import type { World } from '../world.ts';
import type { Batch } from './batch-store.ts';
import { isJob } from './cloud/job.ts';
import { putIntoBucket } from './cloud/put-out.ts';
import type { Line, Tools } from './line.ts';
import { doneLines, resultLines } from './output.ts';
import { hasOutput } from './timeline.ts';

type Parts = Tools & Pick<World, 'clock' | 'journal' | 'disk' | 'files' | 'closing'>;

/** The id of the file that a batch puts out. */
export function outputIdOf({ id }: Pick<Batch, 'id'>): string {
  return `batch-${id}`;
}

/** Bills a batch that is over for what was answered, and puts out what it has to give. */
export function end(parts: Parts, batch: Batch): void {
  const { journal, disk } = parts;
  batch.updatedAt = batch.timeline.endsAt;
  const head = { id: batch.id, model: batch.model.id, project: batch.project, displayName: batch.displayName };
  journal.book((bill) => countBatch(bill, head, chargesOf(doneLines(batch))));
  if (!hasOutput(batch)) disk.remove(batch.inputPath);
  else if (isJob(batch)) putIntoBucket(parts, batch);
  else if (batch.inputFile !== undefined) putOut(parts, batch);
}

/** What was made for each line; a line that was refused was answered once, for nothing. */
function* chargesOf(lines: readonly Line[]): Generator<Line['charges'][number]> {
  for (const { error, charges } of lines) yield* error && charges.length === 0 ? [undefined] : charges;
}

function putOut(parts: Parts, batch: Batch): void {
  const { files, disk } = parts;
  const { endsAt } = batch.timeline;
  files.add({
    id: outputIdOf(batch),
    project: batch.project,
    displayName: undefined,
    mimeType: 'application/jsonl',
    // Known to nobody before it was made once.
    sizeBytes: undefined,
    sha256Hex: undefined,
    source: 'GENERATED',
    createdAt: endsAt,
    activeAt: endsAt + (batch.course.outputAfterMs ?? 0),
    expiresAt: endsAt + batch.settings.files.life_ms,
    content: {
      bytes: { [Symbol.asyncIterator]: () => resultLines(parts, batch) },
      remove: () => disk.remove(batch.inputPath),
    },
  });
}
