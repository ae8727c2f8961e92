/**
 * Makes images: `models/{model}:generateContent`, and the same as a stream of events.
 *
 * A call passes, in this order: body, model, validation, faults, quota, hold, latency, charge, answer. From the quota on
 * it is accepted: its image is made and charged even when the caller has gone, unless `bill_abandoned` is off.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { drawParts } from '../answer/draw-parts.ts';
import { encodeJson } from '../answer/json.ts';
import { imagesIn, type Plan, planAnswer, tokensOf } from '../answer/plan.ts';
import { toResponse, toStream } from '../answer/present.ts';
import { chargeFor } from '../bill.ts';
import { type Directive, readDirective } from '../directive.ts';
import { mannerOf } from '../faults/manner.ts';
import { type Fault, isContent, isRefused } from '../faults/rules.ts';
import { fileRefusal } from '../files/usable.ts';
import { readJson } from '../http/body.ts';
import { GoogleError, modelNotFound } from '../http/google-error.ts';
import { responseIdOf } from '../ids.ts';
import { findModel, type Model } from '../models.ts';
import { settingsOf } from '../projects.ts';
import { createRandom, type Random } from '../random.ts';
import { type ImageRequest, parseRequest } from '../request/request.ts';
import { promptOf } from '../request/wire.ts';
import { answer, type Body, type Call, close, hang, pause, refuseByFault, reset, serverTimeoutMs } from './call.ts';
import { subjectOf } from './exposed.ts';

type Job = { call: Call; model: Model; request: ImageRequest; directive: Directive; random: Random };

/** Answers one call for an image. @throws GoogleError when it is refused. */
export async function generateContent(call: Call): Promise<void> {
  const job = await accept(call);
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

async function accept(call: Call): Promise<Job> {
  const { world, entry } = call;
  const id = call.params['model'] ?? '';
  world.journal.update(entry, { model: id });
  const json = await readJson(call.request);
  world.journal.update(entry, { prompt: promptOf(json) });
  const model = findModel(id);
  if (!model) throw new GoogleError(modelNotFound(id, entry.version));
  const request = await parseRequest(json, model, {
    signatures: world.settings.strict_signatures,
    checkFile: (id) => fileRefusal(world, id, call.project),
  });
  return { call, model, request, directive: readDirective(request.prompt), random: createRandom(world.seed, entry.n) };
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
  const chances = world.settings;
  const plan = planAnswer(model, request, { fault: fault && isContent(fault) ? fault : undefined, chances, random });
  await passHold(call);
  const latencyMs = directive.latency_ms ?? plan.latencyMs;
  const deadlineMs = serverTimeoutMs(call);
  if (latencyMs > deadlineMs) return refuseByFault(call, { kind: 'deadline_504', afterMs: deadlineMs });

  if (!(await work(call, latencyMs))) return close(call, 'lost');
  if (plan.charged && !(fault?.kind === 'hang' && fault.billed === false)) charge(job, plan);
  world.journal.update(entry, { finish_reason: plan.blockReason ?? plan.finishReason });
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
  const billed = chargeFor(model, tokensOf(plan), imagesIn(plan));
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
  const { call, model, request, random } = job;
  const responseId = idOf('response', call);
  call.world.journal.update(call.entry, { response_id: responseId });
  const drawn = await drawParts(call.world, {
    model,
    request,
    plan,
    owner: responseId,
    imageBytes: job.directive.image_bytes,
    random,
  });
  const presented = { plan, responseId, serviceTier: request.serviceTier, mime: model.mime, ...drawn };
  if (call.entry.route === 'generate_content') return { source: encodeJson(toResponse(presented)) };

  const events = toStream(presented, idOf('turn', call)).map(encodeJson);
  return call.url.searchParams.get('alt') === 'sse'
    ? { source: events.flatMap((event) => [EVENT, ...event, EVENT_END]), contentType: 'text/event-stream' }
    : { source: [LIST, ...events.flatMap((event, i) => (i === 0 ? event : [LIST_NEXT, ...event])), LIST_END] };
}

const EVENT = Buffer.from('data: ');
const EVENT_END = Buffer.from('\r\n\r\n');
const LIST = Buffer.from('[');
const LIST_NEXT = Buffer.from(',\r\n');
const LIST_END = Buffer.from(']');

function idOf(purpose: string, { world, entry }: Call): string {
  return responseIdOf(purpose, world.seed, entry.n);
}
