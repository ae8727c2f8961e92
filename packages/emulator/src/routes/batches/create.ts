/** Creates a batch. Two calls alike make two batches, and both are paid: Google knows no idempotency here either. */
import { linkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Batch } from '../../batches/batch-store.ts';
import { type CreateBody, type Inlined, readCreateBody } from '../../batches/create-body.ts';
import { takeIn } from '../../batches/intake.ts';
import { isTooMuch } from '../../batches/limits.ts';
import { toOperation } from '../../batches/operation.ts';
import { fileRefusal } from '../../files/usable.ts';
import { readJson } from '../../http/body.ts';
import { GoogleError, invalidArgument, modelNotFound } from '../../http/google-error.ts';
import { letters } from '../../ids.ts';
import { findModel, type Model } from '../../models.ts';
import { settingsOf } from '../../projects.ts';
import { QUOTA_REFUSALS } from '../../quota-errors.ts';
import { answerJson, type Call } from '../call.ts';
import { strike } from '../exposed.ts';

/** The largest request with its own requests in it. */
const INLINE_BYTES_MAX = 20 * 1024 * 1024;
const ID_LENGTH = 36;

/** @throws GoogleError 400 and 404 for what makes no sense, 403 for a missing file, 429 when the project has enough */
export async function createBatch(call: Call): Promise<void> {
  const { world, entry } = call;
  const modelId = call.params['model'] ?? '';
  world.journal.update(entry, { model: modelId });
  const model = findModel(modelId);
  if (!model) throw new GoogleError(modelNotFound(modelId, entry.version));
  const body = readCreateBody(await readJson(call.request, INLINE_BYTES_MAX));
  const file = 'file' in body.input ? body.input.file : undefined;
  world.journal.update(entry, { display_name: body.displayName, ...(file !== undefined && { file }) });
  const subject = {
    route: entry.route,
    project: call.project,
    model: model.id,
    displayName: body.displayName,
    ...(file && { file }),
  };
  if (await strike(call, world.faults.choose(subject))) return;
  const batch = await create(call, model, body);
  await answerJson(call, toOperation(batch, world.clock.now()));
}

async function create(call: Call, model: Model, body: CreateBody): Promise<Batch> {
  const { world, entry } = call;
  const { displayName, priority, webhookConfig, input } = body;
  const project = call.project;
  const inputPath = 'file' in input ? ownCopy(call, input.file, project) : await writeDown(call, input.requests);
  try {
    const id = letters(ID_LENGTH, world.seed, 'batch', entry.n);
    const settings = { ...world.settings, ...settingsOf(world.settings, project) };
    const context = { batch: id, model, settings };
    const lines = await takeIn(world, { context, project, displayName, path: inputPath });
    if (isTooMuch(world, { project, model, lines })) {
      throw new GoogleError(QUOTA_REFUSALS.quota_help_only({ model: model.id }));
    }
    const course = world.faults.chooseCourse({ route: entry.route, model: model.id, displayName }) ?? {};
    const inputFile = 'file' in input ? input.file : undefined;
    const given = { id, project, model, displayName, priority, webhookConfig, inputFile, inputPath, lines, course };
    world.journal.update(entry, { batch: id });
    return world.batches.add({ ...given, settings });
  } catch (error) {
    world.disk.remove(inputPath);
    throw error;
  }
}

/** A second name for the bytes of a file, which stays when the file goes. */
function ownCopy({ world }: Call, id: string, project: string): string {
  const refusal = fileRefusal(world, id, project);
  if (refusal) throw new GoogleError(refusal);
  const path = world.files.get(id, project)?.content.path;
  if (path === undefined) throw new GoogleError(invalidArgument(`The File ${id} cannot be used as input.`));
  const copy = world.disk.newPath();
  linkSync(path, copy);
  return copy;
}

async function writeDown({ world }: Call, requests: readonly Inlined[]): Promise<string> {
  const path = world.disk.newPath();
  await writeFile(path, requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
  return path;
}
