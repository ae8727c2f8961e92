/**
 * Batches that the provider made of a chunk beside the one that the chunk knows. Pure.
 *
 * They come of create calls whose answers were lost and which lists hid for longer than anybody waits. Each becomes a
 * record of its own, which is canceled, ends, and is collected like any other: what was paid for is brought home.
 */

import type { EpochMs, ProviderBatchId } from './job.ts';
import type { ProviderBatch } from './provider-batch.ts';
import { madeAt } from './provider-batch-steps-create.ts';
import { isMadeOf, type Listed } from './provider-batch-steps-look.ts';

const HOUR_MS = 3_600_000;
/** A batch is over within two days, and its results are kept for two more: behind that there is nothing to be had. */
const STRAY_MS = 96 * HOUR_MS;
const SUFFIX_MAX = 64;

/** Whether it is of this chunk, and not the one that the chunk was, or still is, followed by. */
export function isStray(chunk: ProviderBatch, listed: Listed): boolean {
  if (chunk.stray || !isMadeOf(chunk, listed)) return false;
  // One that is still being created takes it for its own.
  if (chunk.state !== 'submitted' && chunk.state !== 'ended' && chunk.state !== 'closed') return false;
  return chunk.providerName !== listed.name || chunk.end?.type === 'lost';
}

/** The same for whoever meets it. */
export function strayId(chunk: ProviderBatchId, providerName: string): ProviderBatchId {
  return `${chunk}-${suffixOf(providerName)}`;
}

/** The stray as a record of its own, on its way to its end. */
export function strayOf(chunk: ProviderBatch, listed: Listed, now: EpochMs): ProviderBatch {
  const { channel, model, tokens, inputBytes, outputBytes, rescueAt, displayName, input, creates } = chunk;
  const createdAt = madeAt(chunk, listed.createdAt, now);
  const kept = chunk.providerName !== undefined && chunk.providerName !== listed.name;
  return {
    id: strayId(chunk.id, listed.name),
    stray: { of: chunk.id, only: creates.length === 1 && !kept },
    version: 1,
    channel,
    model,
    state: 'submitted',
    // Lists reach back to when the first of the open ones was made.
    createdAt,
    dueAt: now,
    size: 0,
    estimated: 0,
    tokens,
    inputBytes,
    outputBytes,
    rescueAt,
    displayName,
    ...(input && { input }),
    creates: [],
    providerName: listed.name,
    submittedAt: createdAt,
    waste: 0,
    troubles: 0,
    alarms: [
      kept
        ? `made twice: ${chunk.providerName} is kept, ${listed.name} is a stray`
        : `came to light behind the end of its chunk: ${listed.name}`,
    ],
  };
}

/** Until when lists may come to show a stray of a chunk that is over; `undefined` when the end of each of its calls is known. */
export function straysUntil({ stray, creates, end, createdAt }: ProviderBatch): EpochMs | undefined {
  if (stray) return undefined;
  if (creates.length <= 1 && end?.type !== 'lost') return undefined;
  return (creates.at(-1)?.at ?? createdAt) + STRAY_MS;
}

/** What tells an id from others of the same origin: the provider's name, as far as it may stand in a path. */
export function suffixOf(providerName: string): string {
  return providerName
    .slice(providerName.indexOf('/') + 1)
    .replaceAll(/[^A-Za-z0-9_-]/g, '')
    .slice(0, SUFFIX_MAX);
}
