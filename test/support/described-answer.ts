/** Holds an answer against what the OpenAPI document says about its route. */

import { z } from 'zod';
import { openApiDocument } from '../../apps/api/src/openapi/document.ts';

type Schema = Extract<Parameters<typeof z.fromJSONSchema>[0], object>;
type Operation = { responses: Record<string, { content?: Record<string, { schema?: Schema }> }> };

const paths = (document().paths ?? {}) as Record<string, Record<string, Operation>>;
const patterns = Object.keys(paths).map((path) => ({
  path,
  pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`),
}));
const parsers = new Map<string, z.ZodType>();

type Document = { paths?: unknown; components?: { schemas?: Record<string, Schema> } };

/** The document as it goes over the wire, with its references as a JSON Schema validator wants them. */
function document(): Document {
  const text = JSON.stringify(openApiDocument()).replaceAll('#/components/schemas/', '#/$defs/');
  return JSON.parse(text) as Document;
}

/** @throws when the status or the body is not what the document promises for this method and path */
export function assertDescribed(
  method: string,
  path: string,
  answer: { status: number; headers: Headers; json: unknown },
): void {
  const { status, headers, json } = answer;
  const where = `${method} ${path} → ${status}`;
  if (!headers.get('x-request-id')?.startsWith('req_')) throw new Error(`${where}: no X-Request-Id`);
  if ((status === 429 || status === 503) && !headers.get('retry-after')) throw new Error(`${where}: no Retry-After`);
  const type = (headers.get('content-type') ?? '').split(';')[0] ?? '';
  const name = patterns.find(({ pattern }) => pattern.test(path.split('?')[0] ?? ''))?.path ?? '';
  const responses = paths[name]?.[method.toLowerCase()]?.responses;
  if (!responses) {
    // Not one of our routes: only an error may come of it, or a signed file.
    if (status >= 400) assertFits(where, problemSchema(), json);
    return;
  }
  const described = responses[String(status)] ?? responses[`${Math.floor(status / 100)}XX`];
  if (!described) throw new Error(`${where}: the status is not in the document`);
  const schema = described.content?.[type]?.schema;
  if (json !== undefined && !schema) throw new Error(`${where}: ${type} is not in the document`);
  if (schema && (json !== undefined || /[/+]json/.test(type))) assertFits(where, schema, json);
}

function problemSchema(): Schema {
  return { $ref: '#/$defs/Problem' };
}

/** @param schema as the document has it, with `#/$defs/` in its references. @throws when `json` is not what it says */
export function assertFits(where: string, schema: Schema, json: unknown): void {
  const key = JSON.stringify(schema);
  const parser = parsers.get(key) ?? z.fromJSONSchema({ ...schema, $defs: document().components?.schemas ?? {} });
  parsers.set(key, parser);
  const result = parser.safeParse(json);
  if (!result.success)
    throw new Error(`${where} is not as described: ${z.prettifyError(result.error)}\n${JSON.stringify(json)}`);
}
