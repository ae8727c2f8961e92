/** How a route is described: what every operation of the document has in common. */

import { Problem } from '@darkroom/shared/schemas';
import { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiParameters } from 'zod-openapi';

const header = (description: string) => z.string().optional().meta({ description });
const problem = {
  description: 'What is wrong, and the fix',
  headers: z.object({
    'Retry-After': header('Seconds; on 429 and 503, and where waiting helps.'),
    Allow: header('On 405: the methods that there are.'),
    'RateLimit-Policy': header(
      'On 401 and 429: how many requests a minute without a good key an address may make, or how often this key may submit.',
    ),
    RateLimit: header('On 401 and 429: how many of them are left, and the seconds until they start anew.'),
  }),
  content: { 'application/problem+json': { schema: Problem } },
};
/** A JSON answer or body of this shape; `example` is a whole one. */
export const json = (schema: z.ZodType, description: string, example?: object) => ({
  description,
  content: { 'application/json': { schema, ...(example && { example }) } },
});

type Facts = {
  summary: string;
  params?: ZodOpenApiParameters;
  body?: ZodOpenApiOperationObject['requestBody'];
  answers: ZodOpenApiOperationObject['responses'];
  /** Whole problems that are typical of it, by the name that each is shown under. */
  problems?: Record<string, Problem>;
};

/** One operation; every one may answer with a problem. */
export function operation(
  operationId: string,
  tag: string,
  { summary, params, body, answers, problems = {} }: Facts,
): ZodOpenApiOperationObject {
  return {
    operationId,
    tags: [tag],
    summary,
    ...(params && { requestParams: params }),
    ...(body && { requestBody: body }),
    responses: { ...answers, '4XX': withExamples(problems), '5XX': problem },
  };
}

function withExamples(problems: Record<string, Problem>): typeof problem {
  const examples = Object.entries(problems).map(([name, value]) => [name, { summary: value.detail, value }]);
  if (!examples.length) return problem;
  const content = { schema: Problem, examples: Object.fromEntries(examples) };
  return { ...problem, content: { 'application/problem+json': content } };
}

/** Without an API key. */
export function open(described: ZodOpenApiOperationObject): ZodOpenApiOperationObject {
  return { ...described, security: [] };
}
