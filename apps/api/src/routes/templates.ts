import { type Template, templateId } from '@darkroom/shared/domain';
import { CreateTemplateBody, parse, RenderBody, type TemplateView } from '@darkroom/shared/schemas';
import {
  createTemplate,
  fillTemplate,
  findTemplate,
  isBuiltin,
  listTemplates,
  removeTemplate,
} from '@darkroom/shared/usecases';
import { Router } from 'express';
import type { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { callerOf } from '../http/authenticate.ts';
import { jsonBody } from '../http/body.ts';

/** Templates of the caller's tenant beside those of the house; a version never changes. */
export function templatesRouter({ templates }: Pick<ApiDeps, 'templates'>): Router {
  const router = Router();
  const body = jsonBody(1);
  router.get('/', async (_req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.json({ data: (await listTemplates(templates, tenant)).map(presentTemplate) });
  });
  router.post('/', ...body, async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:write');
    const template = await createTemplate(templates, tenant, parse(CreateTemplateBody, req.body));
    res.set('location', `/v1/templates/${templateId(template)}`);
    res.status(201).json(presentTemplate(template));
  });
  router.get('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    res.json(presentTemplate(await findTemplate(templates, tenant, req.params.id)));
  });
  router.delete('/:id', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:write');
    await removeTemplate(templates, tenant, req.params.id);
    res.status(204).end();
  });
  router.post('/:id/render', ...body);
  router.post('/:id/render', async (req, res) => {
    const { tenant } = callerOf(res, 'jobs:read');
    const template = await findTemplate(templates, tenant, req.params.id);
    res.json({ template: templateId(template), job: fillTemplate(template, parse(RenderBody, req.body)) });
  });
  return router;
}

function presentTemplate(template: Template): z.output<typeof TemplateView> {
  const { variables, locales, description, ...rest } = template;
  const entries = Object.entries(variables).map(([name, { maxLength, ...variable }]) => [
    name,
    { ...variable, ...(maxLength !== undefined && { max_length: maxLength }) },
  ]);
  return {
    id: templateId(template),
    builtin: isBuiltin(template.name),
    ...rest,
    ...(description && { description }),
    variables: Object.fromEntries(entries) as z.output<typeof TemplateView>['variables'],
    ...(locales && { locales }),
  };
}
