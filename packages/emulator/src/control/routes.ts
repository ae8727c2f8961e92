/** `Control` over HTTP, under `/__emulator/`. These requests stand in no journal. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { Course } from '../faults/course.ts';
import { Outage, Outages } from '../faults/outage.ts';
import { FaultRules } from '../faults/rules.ts';
import { readBody } from '../http/body.ts';
import { GoogleError } from '../http/google-error.ts';
import { SettingsPatch } from '../settings.ts';
import { type Control, ControlError } from './control.ts';

export const CONTROL_PREFIX = '/__emulator/';
const BODY_MAX = 64 * 1024 * 1024;

type Asked = { control: Control; query: URLSearchParams; body: () => Promise<Buffer> };
type Handler = (asked: Asked) => unknown;

const ROUTES: Readonly<Record<string, Handler>> = {
  'GET settings': ({ control }) => control.settings(),
  'PATCH settings': async ({ control, body }) => control.patchSettings(readAs(SettingsPatch, await body())),
  'GET faults': ({ control }) => control.faults(),
  'PUT faults': async ({ control, body }) => {
    control.putFaults(readAs(FaultRules, await body()));
    return control.faults();
  },
  'GET outages': ({ control }) => control.outages(),
  'PUT outages': async ({ control, body }) => control.putOutages(readAs(Outages, await body())),
  'POST outages': async ({ control, body }) => control.startOutage(readAs(Outage, await body())),
  'DELETE outages': ({ control, query }) => ({ ended: control.endOutage(query.get('name') ?? '') }),
  'GET bill': ({ control, query }) => ({
    ...control.bill(),
    ...(query.get('entries') && { entries: control.journal().entries.filter(({ billed }) => billed) }),
  }),
  'GET journal': ({ control, query }) => control.journal(Object.fromEntries(query)),
  'GET quota': ({ control }) => control.quota(),
  'DELETE journal': ({ control }) => control.reset(),
  'POST release': ({ control, query }) => ({ released: control.release(wholeNumber(query, 'count')) }),
  'GET clock': ({ control }) => control.clock(),
  'POST advance': ({ control, query }) => {
    control.advance(wholeNumber(query, 'ms') ?? 0);
    return control.clock();
  },
  'GET batches': ({ control }) => control.batches(),
  'GET batch-lines': ({ control, query }) => control.batchLines(query.get('id') ?? ''),
  'PATCH batches': async ({ control, query, body }) =>
    control.setCourse(query.get('id') ?? '', readAs(Course, await body())),
  'GET deliveries': ({ control }) => control.deliveries(),
  'GET service-account': ({ control, query }) => control.serviceAccount(query.get('project') ?? ''),
  'GET idle': ({ control }) => control.idle(),
  'POST files': async ({ control, query, body }) => {
    const file = { name: query.get('name') ?? '', mimeType: query.get('mimeType') ?? 'application/octet-stream' };
    const bytes = await body();
    control.putFile({ ...file, bytes });
    return { name: `files/${file.name}`, mimeType: file.mimeType, sizeBytes: String(bytes.length) };
  },
};

/** Answers one control request. */
export async function answerControl(
  control: Control,
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const handle = ROUTES[`${request.method} ${url.pathname.slice(CONTROL_PREFIX.length)}`];
  if (!handle)
    return write(response, 404, { error: `no such control route; there are: ${Object.keys(ROUTES).join(', ')}` });
  try {
    const body = () => readBody(request, BODY_MAX);
    write(response, 200, (await handle({ control, query: url.searchParams, body })) ?? {});
  } catch (error) {
    if (!(error instanceof ControlError || error instanceof GoogleError)) throw error;
    write(response, 400, { error: error.message });
  }
}

function write(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function readAs<T>(schema: z.ZodType<T>, body: Buffer): T {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    throw new ControlError('the body is not JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new ControlError(z.prettifyError(parsed.error));
  return parsed.data;
}

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new ControlError(`${name}: must be a whole number`);
  return Number(value);
}
