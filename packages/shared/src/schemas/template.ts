/** Templates on the wire: prompts with blanks, versioned, never changed once made. */

import { z } from 'zod';
import { REFERENCE_ROLES, VARIABLE_TYPES } from '../domain/index.ts';
import { PROMPT_MAX, SubmitJobBody } from './submit-job.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const VARIABLE = /^[a-z][a-z0-9_]{0,63}$/;

const TemplateVariableBody = z
  .strictObject({
    type: z.enum(VARIABLE_TYPES).default('text'),
    default: z.string().max(2_000).optional(),
    optional: z.boolean().optional(),
    max_length: z.int().min(1).max(8_000).optional(),
    values: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
    role: z.enum(REFERENCE_ROLES).optional().meta({ description: 'What an image variable is a reference for.' }),
    description: z.string().max(500).optional(),
  })
  .refine(
    ({ type, values }) => (type === 'enum') === (values !== undefined),
    'must have values if, and only if, its type is enum',
  )
  .meta({ id: 'TemplateVariable', description: 'A blank. Without a default it must be given, unless it is optional.' });

/** What a template may set for its jobs; the caller's own fields win. */
const { model, size, aspect_ratio, thinking, tools, safety } = SubmitJobBody.shape;
const TemplateDefaults = z
  .strictObject({
    model: model.unwrap().optional(),
    size,
    aspect_ratio,
    thinking,
    tools: tools.unwrap().optional(),
    safety: safety.unwrap().optional(),
  })
  .meta({ id: 'TemplateDefaults' });

export const CreateTemplateBody = z
  .strictObject({
    name: z.string().regex(NAME, 'must be 1 to 63 of a-z 0-9 -'),
    description: z.string().max(500).optional(),
    prompt: z
      .string()
      .min(1)
      .max(PROMPT_MAX)
      .meta({
        description: 'With `{{name}}` for a value, `{{#name}}…{{/name}}` around what is left out with it.',
        examples: ['A studio photo of {{product}}{{#color}} in {{color}}{{/color}}'],
      }),
    variables: z
      .record(z.string().regex(VARIABLE, 'must be 1 to 64 of a-z 0-9 _ and begin with a letter'), TemplateVariableBody)
      .refine((record) => Object.keys(record).length <= 64, 'must have at most 64 variables')
      .default({}),
    defaults: TemplateDefaults.default({}),
    locales: z
      .record(
        z.string().regex(/^[A-Za-z0-9-]{2,16}$/, 'must be a language tag such as "de" or "pt-BR"'),
        z.record(z.string(), z.string().max(2_000)),
      )
      .refine((record) => Object.keys(record).length <= 50, 'must have at most 50 locales')
      .optional()
      .meta({ description: 'Values by locale: a set of rows can be made in several.' }),
  })
  .meta({ id: 'CreateTemplate' });
export type CreateTemplateBody = z.output<typeof CreateTemplateBody>;

export const TemplateView = z
  .object({
    id: z.string().meta({ description: '`name@version`; a bare name means its newest version.' }),
    name: z.string(),
    version: z.int(),
    builtin: z.boolean(),
    description: z.string().optional(),
    prompt: z.string(),
    variables: z.record(z.string(), TemplateVariableBody),
    defaults: TemplateDefaults,
    locales: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  })
  .meta({ id: 'Template' });

export const TemplateList = z.object({ data: z.array(TemplateView) }).meta({ id: 'TemplateList' });
export type TemplateList = z.output<typeof TemplateList>;

/** What names the template and fills its blanks, in a job, a row or a rendering. */
export const TemplateUse = {
  template: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}(@\d{1,6})?$/, 'must be a template such as "product-hero" or "product-hero@2"')
    .meta({ description: 'Writes the prompt: `name@version`, or a name for its newest version.' }),
  variables: z
    .record(z.string().max(64), z.union([z.string().max(8_000), z.number().transform(String)]))
    .refine((record) => Object.keys(record).length <= 64, 'must have at most 64 variables')
    .default({})
    .meta({ description: 'Values for the blanks of the template.' }),
  locale: z.string().max(16).optional().meta({ description: 'Of the template’s own sets of values, the one to use.' }),
};

/** The body of a submission: a prompt, or a template with values for its blanks. */
export const SubmitJobRequest = SubmitJobBody.extend({
  prompt: SubmitJobBody.shape.prompt.optional().meta({ description: 'Required without a template, refused with one.' }),
  template: TemplateUse.template.optional(),
  variables: TemplateUse.variables.optional(),
  locale: TemplateUse.locale,
}).meta({ id: 'SubmitJob', description: 'One image to make.' });
/** As a caller may write it: everything with a default left out. */
export type SubmitJobInput = z.input<typeof SubmitJobRequest>;

export const RenderBody = z
  .strictObject({ variables: TemplateUse.variables, locale: TemplateUse.locale })
  .meta({ id: 'RenderTemplate' });

export const RenderView = z
  .object({ template: z.string(), job: z.record(z.string(), z.unknown()) })
  .meta({ id: 'RenderedTemplate', description: 'The body of the job that would be made.' });
