/**
 * Makes images, for every mode: what a caller asks is put in Gemini's words, and what is answered in the caller's.
 *
 * A call passes, in this order: body, model, validation, faults, quota, hold, latency, charge, answer. From the quota on
 * it is accepted: its image is made and charged even when the caller has gone, unless `bill_abandoned` is off.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { drawParts } from '../answer/draw-parts.ts';
import { imagesIn, type Plan, planAnswer, tokensOf } from '../answer/plan.ts';
import type { Presented } from '../answer/present.ts';
import { chargeFor } from '../bill.ts';
import { type Directive, readDirective } from '../directive.ts';
import { mannerOf } from '../faults/manner.ts';
import { type Fault, isContent, isRefused } from '../faults/rules.ts';
import { fileRefusal } from '../files/usable.ts';
import { GoogleError, type Refusal } from '../http/google-error.ts';
import { responseIdOf } from '../ids.ts';
import { latencyFactor } from '../latency.ts';
import type { Model } from '../models.ts';
import { pricedFor } from '../modes/price.ts';
import { settingsOf } from '../projects.ts';
import { createRandom, type Random } from '../random.ts';
import type { Fields } from '../request/message.ts';
import { type ImageRequest, parseRequest } from '../request/request.ts';
import { answer, type Body, type Call, close, hang, pause, refuseByFault, reset, serverTimeoutMs } from './call.ts';
import { subjectOf } from './exposed.ts';

export type Job = {
  call: Call;
  dialect: Dialect;
  model: Model;
  request: ImageRequest;
  directive: Directive;
  random: Random;
};

/** What a call asks for, as a generateContent body that is not yet checked. */
export type Asked = {
  /** Its pictures are of the type that was asked for. */
  model: Model;
  json: unknown;
  fields?: Fields;
  /** A model's image sent back must have its signature. Default: as the settings say. */
  strict?: boolean;
};

/** How one API asks for images, and how it is answered. */
export type Dialect = {
  /** Reads a call, and tells the journal its model and its prompt. @throws GoogleError when it cannot be read. */
  read(call: Call): Promise<Asked>;
  /** The error that this API answers in place of a plan; nothing is charged then. */
  refusal?(plan: Plan): Refusal | undefined;
  write(job: Job, presented: Presented): Body;
};

/** A route that makes images. It throws GoogleError for what is refused. */
export function imageRoute(dialect: Dialect): (call: Call) => Promise<void> {
  return (call) => makeImage(call, dialect);
}

async function makeImage(call: Call, dialect: Dialect): Promise<void> {
  const job = await accept(call, dialect);
  const fault = job.directive.fault ?? chooseFault(job);
  if (fault) call.world.journal.update(call.entry, { fault: fault.kind });
  if (fault && isRefused(fault) && !fault.billed) return refuseByFault(call, fault);
  if (fault?.kind === 'reset') return reset(call);
  admit(job);
  try {
    await generate(job, fault);
  } finally {
    call.world.quota.ended(placeOf(job));
  }
}

async function accept(call: Call, dialect: Dialect): Promise<Job> {
  const { world, entry } = call;
  const { model, json, fields, strict = world.settings.strict_signatures } = await dialect.read(call);
  const request = await parseRequest(
    json,
    model,
    { signatures: strict, checkFile: (id) => fileRefusal(world, id, call.project) },
    fields,
  );
  const directive = readDirective(request.prompt);
  return { call, dialect, model, request, directive, random: createRandom(world.seed, entry.n) };
}

function chooseFault({ call, model, request }: Job): Fault | undefined {
  return call.world.faults.choose({ ...subjectOf(call), model: model.id, prompt: request.prompt });
}

function admit(job: Job): void {
  const { quota, settings } = job.call.world;
  const tokens = job.request.promptTokens + job.request.referenceTokens;
  const refusal = quota.admit(
    { ...placeOf(job), tokens, form: job.call.mode === 'vertex' ? 'vertex' : 'gemini' },
    settingsOf(settings, job.call.project).quotas,
  );
  if (refusal) throw new GoogleError(refusal);
}

/** What quotas are counted for. */
function placeOf({ call, model }: Job): { project: string; model: string } {
  return { project: call.project, model: model.id };
}

async function generate(job: Job, fault: Fault | undefined): Promise<void> {
  const { call, model, request, directive, random } = job;
  const { world, entry } = call;
  const latency = latencyFactor(world, { ...subjectOf(call), model: model.id, project: call.project }, entry.n);
  const chances = { ...world.settings, latency };
  const plan = planAnswer(model, request, { fault: fault && isContent(fault) ? fault : undefined, chances, random });
  await passHold(call);
  const latencyMs = directive.latency_ms ?? plan.latencyMs;
  const deadlineMs = serverTimeoutMs(call);
  if (latencyMs > deadlineMs) return refuseByFault(call, { kind: 'deadline_504', afterMs: deadlineMs });

  if (!(await work(call, latencyMs))) return close(call, 'lost');
  const refusal = job.dialect.refusal?.(plan);
  if (plan.charged && !refusal && !(fault?.kind === 'hang' && fault.billed === false)) charge(job, plan);
  world.journal.update(entry, { finish_reason: plan.blockReason ?? plan.finishReason });
  if (refusal) throw new GoogleError(refusal);
  await deliver(job, plan, fault);
}

async function passHold({ world, entry }: Call): Promise<void> {
  if (!world.settings.hold) return;
  const released = world.hold.wait();
  world.journal.update(entry, { held: true });
  await released;
  world.journal.update(entry, { held: false });
}

/** Lets the model's time pass. False = the work was given up, by the caller or because the emulator closes. */
async function work(call: Call, ms: number): Promise<boolean> {
  const { closing, settings } = call.world;
  if (!settings.bill_abandoned) await pause(call, ms);
  else if (ms > 0) await wait(ms, undefined, { signal: closing }).catch(() => undefined);
  return !closing.aborted && (settings.bill_abandoned || !call.response.destroyed);
}

function charge({ call, model }: Job, plan: Plan): void {
  const { journal, quota } = call.world;
  const billed = pricedFor(call, chargeFor(model, tokensOf(plan), imagesIn(plan)));
  journal.update(call.entry, { billed });
  quota.spend(call.project, billed.cost_micros);
}

async function deliver(job: Job, plan: Plan, fault: Fault | undefined): Promise<void> {
  const { call } = job;
  if (call.response.destroyed) return close(call, 'lost');
  if (fault && isRefused(fault)) return refuseByFault(call, fault);
  if (fault?.kind === 'reset_after_billing') return reset(call);
  if (fault?.kind === 'hang') return hang(call);
  call.manner = mannerOf(fault);
  await answer(call, await write(job, plan));
}

async function write(job: Job, plan: Plan): Promise<Body> {
  const { call, model, request, random, dialect } = job;
  const responseId = responseIdOf('response', call.world.seed, call.entry.n);
  call.world.journal.update(call.entry, { response_id: responseId });
  const drawn = await drawParts(call.world, {
    model,
    request,
    plan,
    owner: responseId,
    imageBytes: job.directive.image_bytes,
    random,
  });
  return dialect.write(job, { plan, responseId, serviceTier: request.serviceTier, mime: model.mime, ...drawn });
}
