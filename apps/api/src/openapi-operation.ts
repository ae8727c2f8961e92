/** How a route is described: what every operation of the document has in common. */

import { Problem } from '@darkroom/shared/schemas';
import type { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiParameters } from 'zod-openapi';

const problem = {
  description: 'What is wrong, and the fix',
  content: { 'application/problem+json': { schema: Problem } },
};
/** A JSON answer or body of this shape. */
export const json = (schema: z.ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

type Facts = {
  summary: string;
  params?: ZodOpenApiParameters;
  body?: ZodOpenApiOperationObject['requestBody'];
  answers: ZodOpenApiOperationObject['responses'];
};

/** One operation; every one may answer with a problem. */
export function operation(
  operationId: string,
  tag: string,
  { summary, params, body, answers }: Facts,
): ZodOpenApiOperationObject {
  return {
    operationId,
    tags: [tag],
    summary,
    ...(params && { requestParams: params }),
    ...(body && { requestBody: body }),
    responses: { ...answers, '4XX': problem, '5XX': problem },
  };
}
