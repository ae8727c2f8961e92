/** What a process says of itself, and of its API. */

import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { ErrorKind } from '../routes/errors.ts';
import { json, open, operation } from './operation.ts';

const live = z.object({ status: z.literal('ok') });
const ready = z.object({ status: z.enum(['ready', 'not_ready']), checks: z.record(z.string(), z.string()) });
const text = (type: string) => ({ '200': { description: 'The text', content: { [type]: { schema: z.string() } } } });

export const processPaths: ZodOpenApiPathsObject = {
  '/livez': {
    get: open(
      operation('livez', 'health', {
        summary: 'Whether the process answers',
        answers: { '200': json(live, 'It does') },
      }),
    ),
  },
  '/readyz': {
    get: open(
      operation('readyz', 'health', {
        summary: 'Whether jobs can be accepted and kept',
        answers: { '200': json(ready, 'They can'), '503': json(ready, 'They cannot, and why') },
      }),
    ),
  },
  '/metrics': {
    get: operation('metrics', 'health', { summary: 'Figures for Prometheus', answers: text('text/plain') }),
  },
  '/openapi.json': {
    get: open(
      operation('openapi', 'docs', {
        summary: 'This document',
        answers: { '200': json(z.looseObject({}), 'OpenAPI 3.1') },
      }),
    ),
  },
  '/': {
    get: open(
      operation('root', 'docs', { summary: 'Leads to /docs', answers: { '302': { description: 'To /docs' } } }),
    ),
  },
  '/errors/{code}': {
    get: open(
      operation('errorKind', 'docs', {
        summary: 'What the type of a problem means',
        params: { path: z.object({ code: z.string() }) },
        answers: { '200': json(ErrorKind, 'The error') },
      }),
    ),
  },
  '/docs': {
    get: open(operation('docs', 'docs', { summary: 'This document, to be read', answers: text('text/html') })),
  },
};
