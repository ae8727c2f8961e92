/** The routes of templates, described. */

import { CreateTemplateBody, RenderBody, RenderView, TemplateList, TemplateView } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { json, operation } from './operation.ts';

const path = z.object({ id: z.string().meta({ description: '`name@version`, or a name for its newest version.' }) });
const named = z.object({ id: z.string().meta({ description: 'The name alone: no version goes without the others.' }) });
const body = (schema: z.ZodType) => ({ required: true, content: { 'application/json': { schema } } });

export const templatePaths: ZodOpenApiPathsObject = {
  '/v1/templates': {
    get: operation('listTemplates', 'templates', {
      summary: 'Your templates, newest versions, and those of the house',
      answers: { '200': json(TemplateList, 'All') },
    }),
    post: operation('createTemplate', 'templates', {
      summary: 'Make a template, or the next version of one',
      body: body(CreateTemplateBody),
      answers: { '201': json(TemplateView, 'The version; equal content makes no new one') },
    }),
  },
  '/v1/templates/{id}': {
    get: operation('getTemplate', 'templates', {
      summary: 'Read a template',
      params: { path },
      answers: { '200': json(TemplateView, 'The template') },
    }),
    delete: operation('deleteTemplate', 'templates', {
      summary: 'Forget every version of a template; jobs made with it stay, its numbers are never used again',
      params: { path: named },
      answers: { '204': { description: 'It is gone' } },
    }),
  },
  '/v1/templates/{id}/render': {
    post: operation('renderTemplate', 'templates', {
      summary: 'Preview the job that a template makes of values; nothing is submitted',
      params: { path },
      body: body(RenderBody),
      answers: { '200': json(RenderView, 'The body of the job') },
    }),
  },
};
