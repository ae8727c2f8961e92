/** From a parsed body to a request that some model can serve: capabilities checked, defaults filled in. */

import {
  AppError,
  chooseModel,
  type ErrorCode,
  type JobRequest,
  type Lane,
  type Micros,
  MODELS,
  type Model,
  type OwnWebhook,
  type Reference,
  type Routing,
} from '../domain/index.ts';
import { didYouMean, REFERENCES_MAX, type SubmitJobBody } from '../schemas/index.ts';

/** How long a finished twin is joined when the caller says nothing. */
const DEDUP_WINDOW_MS = 60_000;

export type Resolved = { model: Model; warnings: string[] };

/** Everything about the body that can be refused before any reference is fetched. */
export function checkCapabilities(body: SubmitJobBody): Resolved {
  const choice = chooseModel(body.model);
  if (choice.type === 'gone') {
    throw retiredModel(body.model, choice.successor);
  }
  if (choice.type === 'unknown') throw unknownModel(body.model);
  const { model, warning } = choice;
  checkShape(body, model);
  checkReferences(body, model);
  return { model, warnings: warning ? [warning] : [] };
}

/** A model of a kind that is gone. @param field where it was asked for */
export function retiredModel(asked: string, successor: string, field = 'model'): AppError {
  const fix = `Use ${successor}.`;
  return new AppError('model_retired', { message: `Model ${asked} was shut down.`, param: field, fix });
}

/** No model has this id or alias. @param field where it was asked for */
export function unknownModel(asked: string, field = 'model'): AppError {
  const names = MODELS.flatMap(({ id, aliases }) => [id, ...aliases]);
  const hint = didYouMean(asked, names) || '.';
  return new AppError('invalid_request', {
    message: `${field} "${asked}" is not known${hint}`,
    param: field,
    fix: `Use one of ${MODELS.map(({ id }) => id).join(', ')}, or an alias of GET /v1/models.`,
  });
}

function checkShape(body: SubmitJobBody, model: Model): void {
  requireOneOf(body.size, model.sizes, 'unsupported_size', 'size', model);
  requireOneOf(body.aspect_ratio, model.aspectRatios, 'unsupported_aspect_ratio', 'aspect_ratio', model);
  requireOneOf(body.thinking, model.thinking, 'unsupported_thinking', 'thinking', model);
  for (const tool of body.tools) requireOneOf(tool, model.tools, 'unsupported_tool', 'tools', model);
  const safety = new Set(body.safety.map(({ category }) => category));
  if (safety.size < body.safety.length) {
    throw new AppError('invalid_request', {
      message: 'safety names a category twice.',
      param: 'safety',
      fix: 'Name each category at most once.',
    });
  }
}

function requireOneOf(
  value: string | undefined,
  allowed: readonly string[],
  code: Extract<ErrorCode, `unsupported_${string}`>,
  param: string,
  model: Model,
): void {
  if (value === undefined || allowed.includes(value)) return;
  if (!allowed.length) {
    const message = `${model.id} takes no ${param}.`;
    throw new AppError(code, { message, param, fix: `Leave ${param} out, or choose another model.` });
  }
  const hint = didYouMean(value, allowed) || '.';
  throw new AppError(code, {
    message: `${param} must be one of ${allowed.join(', ')} for ${model.id}, not "${value}"${hint}`,
    param,
    fix: `Use one of ${allowed.join(', ')}, or choose another model.`,
  });
}

function checkReferences(body: SubmitJobBody, model: Model): void {
  const most = Math.min(model.references.max, REFERENCES_MAX);
  if (body.references.length > most) {
    throw new AppError('too_many_references', {
      message: `references has ${body.references.length} images; ${model.id} takes at most ${most}.`,
      param: 'references',
      fix: 'Send fewer references.',
    });
  }
  for (const [role, max] of Object.entries(model.references.byRole)) {
    const count = body.references.filter((reference) => reference.role === role).length;
    if (count > max) {
      throw new AppError('too_many_references', {
        message: `references has ${count} images with role "${role}"; ${model.id} takes at most ${max}.`,
        param: 'references',
      });
    }
  }
}

/** As it is kept: a field that was not given is not there. */
export function ownWebhookOf(asked: SubmitJobBody['webhook']): { webhook?: OwnWebhook } {
  return asked ? { webhook: { url: asked.url, ...(asked.events && { events: asked.events }) } } : {};
}

/** The request as it will be recorded. */
export function toRequest(
  body: SubmitJobBody,
  {
    model,
    lane,
    maxCost,
    references,
    routing,
  }: {
    model: Model;
    lane: Lane;
    maxCost: Micros | undefined;
    references: Reference[];
    routing: Routing | undefined;
  },
): JobRequest {
  const request: JobRequest = {
    prompt: body.prompt,
    ...(body.template && { template: body.template }),
    model: model.id,
    size: body.size ?? model.defaultSize,
    ...(body.aspect_ratio && { aspectRatio: body.aspect_ratio }),
    ...(body.seed !== undefined && { seed: body.seed }),
    ...(body.thinking && { thinking: body.thinking }),
    references,
    tools: body.tools,
    safety: body.safety,
    lane,
    ...(maxCost !== undefined && { maxCost }),
    priority: body.priority,
    onUnknownOutcome: body.on_unknown_outcome,
    dedup: body.dedup === false ? false : { windowMs: body.dedup?.window ?? DEDUP_WINDOW_MS },
    ...(body.cache && !body.tools.length && { cache: { ttlMs: body.cache.ttl } }),
    tags: body.tags,
    metadata: body.metadata,
    ...ownWebhookOf(body.webhook),
    ...(routing && { routing }),
  };
  return request;
}
