/** Shows, lists, cancels and deletes batches. */
import { randomUUID } from 'node:crypto';
import type { Batch } from '../../batches/batch-store.ts';
import { toOperation } from '../../batches/operation.ts';
import { inlinedResponses } from '../../batches/output.ts';
import { isOver } from '../../batches/timeline.ts';
import { ENTITY_NOT_FOUND, GoogleError } from '../../http/google-error.ts';
import type { Source } from '../../http/send.ts';
import { pageOf } from '../../page.ts';
import type { World } from '../../world.ts';
import { answer, answerJson, type Call, refuseByFault, serverTimeoutMs } from '../call.ts';

/** So long Google tries to put together an answer that is too large. */
const TOO_LARGE_MS = 60_000;

export async function getBatch(call: Call): Promise<void> {
  const batch = batchOf(call);
  const { clock, settings } = call.world;
  const now = clock.now();
  const carries = batch.inputFile === undefined && isOver(batch.timeline, now);
  if (!carries) return answerJson(call, toOperation(batch, now));
  const bytes = batch.lines.reduce((sum, { inlineBytes }) => sum + inlineBytes, 0);
  if (bytes > settings.batches.inline_output_bytes) return giveUp(call);
  await answer(call, { source: carrying(call.world, batch, now) });
}

/** A page of batches, newest first, without their inline output. */
export async function listBatches(call: Call): Promise<void> {
  const { batches, clock } = call.world;
  const asOf = clock.now() - (call.staleMs ?? 0);
  const known = batches.list(call.project).filter(({ timeline, cloud }) => !cloud && timeline.createdAt <= asOf);
  const { items, nextPageToken } = pageOf(known, call.url.searchParams);
  const operations = items.map((batch) => toOperation(batch, asOf));
  await answerJson(call, { ...(operations.length > 0 && { operations }), ...(nextPageToken && { nextPageToken }) });
}

/** Stops a batch where it is; one that is over stays as it is. */
export async function cancelBatch(call: Call): Promise<void> {
  call.world.batches.cancel(batchOf(call));
  await answerJson(call, {});
}

/** Forgets a batch, which goes on all the same. */
export async function deleteBatch(call: Call): Promise<void> {
  call.world.batches.delete(batchOf(call));
  await answerJson(call, {});
}

/** @throws GoogleError 404 for a batch that was deleted, never was, or is another project's. */
function batchOf(call: Call): Batch {
  const id = call.params['batch'] ?? '';
  const batch = call.world.batches.get(id, call.project);
  call.world.journal.update(call.entry, { batch: id, ...(batch && { display_name: batch.displayName }) });
  if (!batch || batch.cloud) throw new GoogleError(ENTITY_NOT_FOUND);
  return batch;
}

/** Google never gets it together, and a caller who allows for more time only waits longer. */
async function giveUp(call: Call): Promise<void> {
  const { latency } = call.world.settings;
  const patienceMs = serverTimeoutMs(call);
  if (patienceMs > TOO_LARGE_MS && Number.isFinite(patienceMs)) {
    return refuseByFault(call, { kind: 'deadline_504', afterMs: patienceMs * latency });
  }
  await refuseByFault(call, { kind: 'unavailable', afterMs: TOO_LARGE_MS * latency });
}

/** The operation with its output in both its places, each of them made while it is sent. */
function carrying(world: World, batch: Batch, now: number): Source {
  const mark = randomUUID();
  const parts = JSON.stringify(toOperation(batch, now, [mark])).split(`"${mark}"`);
  return {
    async *[Symbol.asyncIterator]() {
      for (const [i, part] of parts.entries()) {
        if (i > 0) yield* inlinedResponses(world, batch);
        yield Buffer.from(part);
      }
    },
  };
}
