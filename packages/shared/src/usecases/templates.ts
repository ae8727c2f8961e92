/** Templates of a tenant and those of the house, and jobs made from them. */

import { z } from 'zod';
import {
  AppError,
  type Rendered,
  render,
  type Template,
  type Tenant,
  templateFaults,
  templateId,
} from '../domain/index.ts';
import type { Templates } from '../ports/index.ts';
import { BatchItemBody, type CreateTemplateBody, parse, SubmitJobBody, TemplateUse } from '../schemas/index.ts';
import { BUILTIN_TEMPLATES } from '../templates/index.ts';
import { checkCapabilities } from './resolve-request.ts';

const Named = z.looseObject({ template: TemplateUse.template });
const Filled = z.looseObject({ variables: TemplateUse.variables, locale: TemplateUse.locale });

/** Adds the next version. @throws AppError `invalid_request` naming what is wrong with it, `conflict` for a name of the house */
export async function createTemplate(
  templates: Templates,
  tenant: Tenant,
  body: CreateTemplateBody,
): Promise<Template> {
  const template = fromBody(body);
  const faults = [...templateFaults(template), ...namesakes(template)];
  if (faults.length) {
    throw new AppError('invalid_request', {
      message: `${faults[0]}.`,
      param: faults[0]?.split(' ')[0] ?? 'prompt',
      errors: faults.map((fault) => ({
        path: fault.split(' ')[0] ?? 'prompt',
        message: fault.slice(fault.indexOf(' ') + 1),
      })),
    });
  }
  checkDefaults(body);
  if (isBuiltin(body.name)) {
    throw new AppError('conflict', {
      message: `${body.name} is a built-in template.`,
      param: 'name',
      fix: 'Choose another name.',
    });
  }
  return templates.add(tenant, template);
}

/** As the column of a CSV file, such a name would mean both. */
function namesakes({ variables }: Pick<Template, 'variables'>): string[] {
  return Object.keys(variables)
    .filter((name) => Object.hasOwn(BatchItemBody.shape, name) || SPENT.has(name))
    .map((name) => `variables.${name} has the name of a field of a job; give it another`);
}

/** Without a model of its own the template goes with any that offers the rest, and the caller's is not known yet. */
function checkDefaults({ defaults }: CreateTemplateBody): void {
  if (defaults.model === undefined) return;
  try {
    checkCapabilities(parse(SubmitJobBody, { ...defaults, prompt: 'x' }));
  } catch (error) {
    if (!(error instanceof AppError) || error.param === undefined) throw error;
    const { code, message, param, fix } = error;
    throw new AppError(code, {
      message: message.startsWith(`${param} `) ? `defaults.${message}` : message,
      param: `defaults.${param}`,
      ...(fix && { fix }),
      cause: error,
    });
  }
}

function fromBody({ variables, ...body }: CreateTemplateBody): Omit<Template, 'version'> {
  const entries = Object.entries(variables).map(([name, { max_length, ...variable }]) => [
    name,
    { ...variable, ...(max_length !== undefined && { maxLength: max_length }) },
  ]);
  return JSON.parse(JSON.stringify({ ...body, variables: Object.fromEntries(entries) })) as Omit<Template, 'version'>;
}

/** Whether the name is one of the house: those can neither be changed nor taken. */
export function isBuiltin(name: string): boolean {
  return BUILTIN_TEMPLATES.some((template) => template.name === name);
}

/**
 * Forgets every version of a template; jobs that were made with it stay, and its numbers are never used again.
 *
 * @throws AppError `not_found`, or `invalid_request` for `name@version`: no version goes alone
 */
export async function removeTemplate(templates: Templates, tenant: Tenant, id: string): Promise<void> {
  if (id.includes('@')) {
    throw new AppError('invalid_request', {
      message: 'A version of a template cannot be removed alone.',
      param: 'id',
      fix: `DELETE /v1/templates/${id.split('@')[0]} removes all of its versions.`,
    });
  }
  const { name } = await findTemplate(templates, tenant, id);
  if (isBuiltin(name)) {
    throw new AppError('conflict', { message: `${name} is a built-in template.`, fix: 'Leave it: it costs nothing.' });
  }
  await templates.remove(tenant, name);
}

/** Own ones first, by name; then those of the house. */
export async function listTemplates(templates: Templates, tenant: Tenant): Promise<Template[]> {
  return [...(await templates.list(tenant)), ...BUILTIN_TEMPLATES];
}

/** @param id `name@version`, or a name for its newest version. @throws AppError `not_found` */
export async function findTemplate(templates: Templates, tenant: Tenant, id: string): Promise<Template> {
  const [name = '', version] = id.split('@');
  const wanted = version === undefined ? undefined : Number(version);
  const builtin = BUILTIN_TEMPLATES.find((template) => template.name === name && (wanted ?? 1) === template.version);
  const template = builtin ?? (await templates.find(tenant, name, wanted));
  if (template) return template;
  throw new AppError('not_found', {
    message: `There is no template ${id}.`,
    param: 'template',
    fix: 'GET /v1/templates lists them.',
  });
}

/** Fields of the wire that are spent once a template has been rendered. */
const SPENT = new Set(['template', 'variables', 'locale']);

/** The body of the job that a template makes of the caller's: defaults below, the caller's own fields above. */
export function fillTemplate(template: Template, asked: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (asked['prompt'] !== undefined) {
    throw new AppError('invalid_request', {
      message: 'prompt and template exclude each other.',
      param: 'prompt',
      fix: 'Leave prompt out: the template writes it.',
    });
  }
  const { variables, locale } = parse(Filled, asked);
  const own = Object.fromEntries(Object.entries(asked).filter(([name]) => !SPENT.has(name)));
  const rendered = render(template, variables, locale);
  return { ...template.defaults, ...own, ...promptOf(rendered, own['references']), template: templateId(template) };
}

function promptOf({ prompt, references }: Rendered, more: unknown): { prompt: string; references: unknown } {
  return { prompt, references: Array.isArray(more) || more === undefined ? [...references, ...(more ?? [])] : more };
}

/** A body as it came, its template filled in when it names one. */
export async function expandTemplate(
  templates: Templates,
  tenant: Tenant,
  body: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  if (body['template'] === undefined) {
    const orphan = ['variables', 'locale'].find((name) => body[name] !== undefined);
    if (!orphan) return body;
    throw new AppError('invalid_request', {
      message: `${orphan} needs a template.`,
      param: orphan,
      fix: 'Name the template, such as "product-hero".',
    });
  }
  const { template } = parse(Named, body);
  return fillTemplate(await findTemplate(templates, tenant, template), body);
}
