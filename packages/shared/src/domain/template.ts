/**
 * Prompts with blanks. Pure.
 *
 * A value is data: it is put into the prompt's text or taken as a reference, once, and nothing in it is looked at again.
 * So no value can open another blank or set another field.
 */

import { AppError } from './errors.ts';
import type { ReferenceRole } from './job.ts';

export const VARIABLE_TYPES = ['text', 'number', 'enum', 'image'] as const;

export type TemplateVariable = {
  type: (typeof VARIABLE_TYPES)[number];
  /** Without a default, a value must be given. */
  default?: string;
  optional?: boolean;
  maxLength?: number;
  values?: string[];
  /** For an image: what the model is told it is. */
  role?: ReferenceRole;
  description?: string;
};

export type Template = {
  name: string;
  version: number;
  description?: string;
  /** `{{name}}` stands for a value; `{{#name}}…{{/name}}` for text that is left out when the value is. */
  prompt: string;
  variables: Record<string, TemplateVariable>;
  /** Fields of the job that the template sets when the caller does not. */
  defaults: Record<string, unknown>;
  /** Values by locale, for sets of languages. */
  locales?: Record<string, Record<string, string>>;
};

/** A reference as the value of an image variable: an address, or an id of an asset or an earlier image. */
export type RenderedReference = ({ url: string } | { asset: string } | { image: string } | { gcs_uri: string }) & {
  role?: ReferenceRole;
  name?: string;
};

export type Rendered = { prompt: string; references: RenderedReference[] };

const VALUE_MAX = 2_000;
const ADDRESS = /^(https?:\/\/|gs:\/\/|ast_|img_)\S+$/;
const BLANK = /\{\{([#/]?)([a-z][a-z0-9_]{0,63})\}\}/g;
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}]+/gu;

/** `product-hero@2`. */
export function templateId({ name, version }: Pick<Template, 'name' | 'version'>): string {
  return `${name}@${version}`;
}

/** Blanks of a prompt, as they are written; the faults a template's author should hear of. */
export function templateFaults({
  prompt,
  variables,
  locales = {},
}: Omit<Template, 'version' | 'name' | 'defaults'>): string[] {
  const used = new Set([...prompt.matchAll(BLANK)].map(([, , name = '']) => name));
  const undeclared = [...used]
    .filter((name) => !Object.hasOwn(variables, name))
    .map((name) => `prompt uses {{${name}}}, which variables does not declare`);
  const unused = Object.entries(variables)
    .filter(([name, { type }]) => type !== 'image' && !used.has(name))
    .map(([name]) => `variables.${name} is not used in prompt`);
  const foreign = Object.entries(locales).flatMap(([locale, values]) =>
    Object.keys(values)
      .filter((name) => !Object.hasOwn(variables, name))
      .map((name) => `locales.${locale}.${name} is not a variable`),
  );
  const strange = prompt.replaceAll(BLANK, '').includes('{{')
    ? ['prompt holds {{ that is no {{name}}, {{#name}} or {{/name}}']
    : [];
  return [...strange, ...undeclared, ...unused, ...openSections(prompt), ...foreign];
}

function openSections(prompt: string): string[] {
  const open: string[] = [];
  for (const [, mark, name = ''] of prompt.matchAll(BLANK)) {
    if (mark === '#') open.push(name);
    if (mark === '/' && open.pop() !== name)
      return [`prompt closes {{/${name}}}, which is not the section that is open`];
  }
  return open.map((name) => `prompt never closes {{#${name}}}`);
}

/** @throws AppError `invalid_request` naming every variable at fault */
export function render(template: Template, given: Readonly<Record<string, string>>, locale?: string): Rendered {
  const values = new Map<string, string>();
  const errors: { path: string; message: string }[] = [];
  const localized = localeValues(template, locale, errors);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(template.variables, name))
      errors.push({ path: `variables.${name}`, message: 'is not a variable of this template' });
  }
  for (const [name, variable] of Object.entries(template.variables)) {
    const raw = ownValue(given, name) ?? ownValue(localized, name) ?? variable.default;
    const text = raw === undefined ? '' : clean(raw);
    const fault = faultOf(variable, text);
    if (fault) errors.push({ path: `variables.${name}`, message: fault });
    else if (text) values.set(name, text);
  }
  const [first] = errors;
  if (first) {
    throw new AppError('invalid_request', {
      message: `${first.path} ${first.message}.`,
      param: first.path,
      fix: `Template ${templateId(template)} takes ${Object.keys(template.variables).join(', ') || 'no variables'}.`,
      errors,
    });
  }
  return { prompt: fill(template.prompt, values), references: referencesOf(template, values) };
}

function localeValues(
  template: Template,
  locale: string | undefined,
  errors: { path: string; message: string }[],
): Record<string, string> {
  if (locale === undefined) return {};
  const values = ownValue(template.locales ?? {}, locale);
  if (!values)
    errors.push({
      path: 'locale',
      message: `"${locale}" is not one of ${Object.keys(template.locales ?? {}).join(', ') || 'none: the template has no locales'}`,
    });
  return values ?? {};
}

function ownValue<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** One line of well-formed text: no value can break out of the sentence it stands in by control characters. */
function clean(value: string): string {
  return value.toWellFormed().normalize('NFC').replaceAll(CONTROLS, ' ').trim();
}

function faultOf(
  { type, optional, maxLength = VALUE_MAX, values = [] }: TemplateVariable,
  text: string,
): string | undefined {
  if (!text) return optional ? undefined : 'is required';
  if (text.length > maxLength) return `must have at most ${maxLength} characters`;
  if (type === 'image' && !ADDRESS.test(text)) return 'must be an address, or the id of an asset or an image';
  if (type === 'number' && !/^-?\d{1,15}([.,]\d{1,6})?$/.test(text)) return 'must be a number';
  if (type === 'enum' && !values.includes(text)) return `must be one of ${values.join(', ')}`;
  return undefined;
}

function fill(prompt: string, values: ReadonlyMap<string, string>): string {
  let text = '';
  let at = 0;
  const skipped: string[] = [];
  for (const match of prompt.matchAll(BLANK)) {
    const [blank, mark, name = ''] = match;
    if (!skipped.length) text += prompt.slice(at, match.index);
    at = match.index + blank.length;
    if (mark === '#' && (skipped.length || !values.has(name))) skipped.push(name);
    else if (mark === '/' && skipped.at(-1) === name) skipped.pop();
    else if (!mark && !skipped.length) text += values.get(name) ?? '';
  }
  return (text + prompt.slice(at)).replaceAll(/[ \t]{2,}/g, ' ').trim();
}

function referencesOf({ variables }: Template, values: ReadonlyMap<string, string>): RenderedReference[] {
  return Object.entries(variables).flatMap(([name, { type, role }]) => {
    const value = type === 'image' ? values.get(name) : undefined;
    return value === undefined ? [] : [{ ...sourceOf(value), name, ...(role && { role }) }];
  });
}

function sourceOf(value: string): RenderedReference {
  if (value.startsWith('ast_')) return { asset: value };
  if (value.startsWith('img_')) return { image: value };
  if (value.startsWith('gs://')) return { gcs_uri: value };
  return { url: value };
}
