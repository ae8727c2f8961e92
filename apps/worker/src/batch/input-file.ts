import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Job, ProviderBatch, ProviderBatchMember } from '@darkroom/shared/domain';
import type { BatchChannel } from '@darkroom/shared/ports';
import { ifReadable } from '@darkroom/shared/usecases';
import { loadReferences } from '../standard/references.ts';
import { channelOf } from './accounts.ts';
import type { BatchDeps } from './deps.ts';

export type InputFile = {
  sha256: string;
  bytes: number;
  lines: number;
  /** Members that no line can be made for, since a reference is gone for good. */
  unbuilt: ProviderBatchMember[];
};

/**
 * Writes a chunk's lines in the order of its members: the same members give the same bytes, whoever builds them.
 *
 * A job that was canceled since keeps its line. Two builds that differ by it would be two files under one name.
 *
 * @throws AppError `storage_unavailable` while a reference cannot be read
 */
export async function buildInput(
  deps: BatchDeps,
  batch: ProviderBatch,
  members: ProviderBatchMember[],
  path: string,
): Promise<InputFile> {
  const channel = channelOf(deps, batch);
  const sha256 = createHash('sha256');
  const built = { bytes: 0, lines: 0, unbuilt: [] as ProviderBatchMember[] };
  await using file = await open(path, 'w');
  for (const member of members) {
    const job = await ifReadable(deps.ledger.read(member.tenant, member.job));
    const line = job && (await formatMember(deps, channel, member, job));
    if (line) {
      sha256.update(line);
      await file.writeFile(line);
      built.bytes += line.length;
      built.lines++;
    } else if (job) {
      built.unbuilt.push(member);
    }
  }
  return { ...built, sha256: sha256.digest('hex') };
}

async function formatMember(
  { store }: BatchDeps,
  channel: BatchChannel,
  { attempt }: ProviderBatchMember,
  { request }: Job,
): Promise<Buffer | undefined> {
  const loaded = await loadReferences(store, request, channel);
  return loaded.type === 'loaded' ? channel.formatLine(attempt, request, loaded.inputs) : undefined;
}
