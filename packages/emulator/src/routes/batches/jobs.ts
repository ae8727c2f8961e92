/** Vertex's batch prediction jobs: created, shown, listed, cancelled and deleted. */

import { fetchObject } from '../../batches/cloud/bucket.ts';
import { type Cloud, outputOf } from '../../batches/cloud/cloud.ts';
import { readFilter } from '../../batches/cloud/filter.ts';
import { isJob, type Job, toJob } from '../../batches/cloud/job.ts';
import { type JobBody, modelIdOf, readJobBody } from '../../batches/cloud/job-body.ts';
import { takeIn } from '../../batches/intake.ts';
import { isTooMuch } from '../../batches/limits.ts';
import type { Line, LineContext } from '../../batches/line.ts';
import { isOver } from '../../batches/timeline.ts';
import type { Course } from '../../faults/course.ts';
import { readJson } from '../../http/body.ts';
import { ENTITY_NOT_FOUND, GoogleError } from '../../http/google-error.ts';
import { digits } from '../../ids.ts';
import { modelOf } from '../../modes/vertex.ts';
import { pageOf } from '../../page.ts';
import { settingsOf } from '../../projects.ts';
import { VERTEX_EXHAUSTED } from '../../quota-errors.ts';
import { VERTEX_FIELDS } from '../../request/fields.ts';
import { answerJson, type Call } from '../call.ts';
import { strike, subjectOf } from '../exposed.ts';

const BODY_BYTES_MAX = 1024 * 1024;
const ID_LENGTH = 19;

/** Two calls alike make two jobs, and both are paid. @throws GoogleError 400, 404, and 429 when the project has enough */
export async function createJob(call: Call): Promise<void> {
  const { world, entry } = call;
  const body = readJobBody(await readJson(call.request, BODY_BYTES_MAX));
  const model = modelOf(call, modelIdOf(body.model));
  world.journal.update(entry, { model: model.id, display_name: body.displayName });
  const subject = { ...subjectOf(call), model: model.id, displayName: body.displayName };
  if (await strike(call, world.faults.choose(subject))) return;

  const settings = { ...world.settings, ...settingsOf(world.settings, call.project), strict_signatures: false };
  const { gcs_endpoint: endpoint } = settings.vertex;
  const id = digits(ID_LENGTH, world.seed, 'job', entry.n);
  const cloud: Cloud = {
    parent: `projects/${call.project}/locations/${call.params['location']}`,
    body,
    endpoint,
    output: outputOf(body.output, world.clock.now(), entry.n),
  };
  const context = { batch: id, model, settings, fields: VERTEX_FIELDS };
  const { lines, path, failure } = await takeInput(call, context, cloud);
  const head = { project: call.project, model, displayName: body.displayName };
  if (isTooMuch(world, { ...head, lines })) {
    world.disk.remove(path);
    throw new GoogleError(VERTEX_EXHAUSTED);
  }
  const course: Course = failure ?? world.faults.chooseCourse(subject) ?? {};
  world.journal.update(entry, { batch: id });
  const kept = { priority: undefined, webhookConfig: undefined, inputFile: undefined, inputPath: path };
  const job = world.batches.add({ ...head, ...kept, id, lines, settings, course, cloud });
  await answerJson(call, toJob({ ...job, cloud }, world.clock.now()));
}

type Input = { lines: Line[]; path: string; failure?: Course };

/** What is wrong with the input is seen when the job runs, and makes it fail. */
async function takeInput(call: Call, context: LineContext, { endpoint, body }: Cloud): Promise<Input> {
  const { world, project } = call;
  const path = world.disk.newPath();
  try {
    await fetchInputs(call, body, path, endpoint);
    const lines = await takeIn(world, { context, project, displayName: body.displayName, path });
    return { lines, path };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { lines: [], path, failure: { ends: 'failed', error: { code: 3, message: message.slice(0, 2000) } } };
  }
}

async function fetchInputs(
  { world }: Call,
  { inputs }: JobBody,
  path: string,
  endpoint: string | undefined,
): Promise<void> {
  if (endpoint === undefined) throw new Error('The emulator has no bucket: set `vertex.gcs_endpoint`.');
  for (const input of inputs) await fetchObject(input, path, { endpoint, signal: world.closing });
}

export async function getJob(call: Call): Promise<void> {
  const job = await jobOf(call);
  await answerJson(call, toJob(job, call.world.clock.now()));
}

/** A page of the jobs of a place, newest first. */
export async function listJobs(call: Call): Promise<void> {
  const { batches, clock } = call.world;
  const asOf = clock.now() - (call.staleMs ?? 0);
  const passes = readFilter(call.url.searchParams.get('filter') ?? '');
  const parent = parentOf(call);
  const jobs = batches
    .list(call.project)
    .filter(isJob)
    .filter((job) => job.cloud.parent === parent);
  for (const { cloud } of jobs) await cloud.writing;
  const known = jobs.filter((job) => job.timeline.createdAt <= asOf && passes(job, asOf));
  const { items, nextPageToken } = pageOf(known, call.url.searchParams);
  const shown = items.map((job) => toJob(job, asOf));
  await answerJson(call, {
    ...(shown.length > 0 && { batchPredictionJobs: shown }),
    ...(nextPageToken && { nextPageToken }),
  });
}

/** Stops a job where it is; one that is over stays as it is. */
export async function cancelJob(call: Call): Promise<void> {
  call.world.batches.cancel(await jobOf(call));
  await answerJson(call, {});
}

/** @throws GoogleError 400 for a job that is not over */
export async function deleteJob(call: Call): Promise<void> {
  const { batches, clock } = call.world;
  const job = await jobOf(call);
  if (!isOver(job.timeline, clock.now())) throw new GoogleError(NOT_OVER);
  batches.delete(job);
  const metadata = { '@type': 'type.googleapis.com/google.cloud.aiplatform.v1beta1.DeleteOperationMetadata' };
  const response = { '@type': 'type.googleapis.com/google.protobuf.Empty' };
  await answerJson(call, { name: `${parentOf(call)}/operations/${job.id}`, metadata, done: true, response });
}

const NOT_OVER = {
  http: 400,
  status: 'FAILED_PRECONDITION',
  message: 'The BatchPredictionJob cannot be deleted before it is finished: cancel it first.',
} as const;

/** A job whose output, if it is over, is where it says. @throws GoogleError 404 */
async function jobOf(call: Call): Promise<Job> {
  const id = call.params['batch'] ?? '';
  const job = call.world.batches.get(id, call.project);
  call.world.journal.update(call.entry, { batch: id, ...(job && { display_name: job.displayName }) });
  if (!job || !isJob(job) || job.cloud.parent !== parentOf(call)) throw new GoogleError(ENTITY_NOT_FOUND);
  // Its time may have come with this very call.
  call.world.clock.catchUp();
  await job.cloud.writing;
  return job;
}

function parentOf({ project, params }: Call): string {
  return `projects/${project}/locations/${params['location']}`;
}
