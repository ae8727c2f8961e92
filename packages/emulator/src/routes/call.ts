/** One request from a client, while it is being answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { refusalOf } from '../faults/refusals.ts';
import type { RefusedFault } from '../faults/rules.ts';
import type { Refusal } from '../http/google-error.ts';
import { answerHeaders, JSON_TYPE, type Manner, type Source, send } from '../http/send.ts';
import { spokenIn, type Told } from '../http/words.ts';
import { letters } from '../ids.ts';
import type { JournalEntry } from '../journal.ts';
import type { Mode } from '../mode.ts';
import { settingsOf } from '../projects.ts';
import type { World } from '../world.ts';

export type Call = {
  world: World;
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** The API key, or the token. */
  key: string;
  mode: Mode;
  project: string;
  entry: JournalEntry;
  /** The named groups of the route's path. */
  params: Record<string, string | undefined>;
  startedAt: number;
  /** How a fault wants the answer to travel. */
  manner: Manner | undefined;
  /** A fault breaks the connection once so many bytes of the request were taken. */
  requestBytesMax: number | undefined;
  /** A fault shows lists as they were so long ago. */
  staleMs: number | undefined;
  /** What a fault does in place of the answer, once all that was asked for is done. */
  instead: (() => void | Promise<void>) | undefined;
};

export type Body = { source: Source; contentType?: string; headers?: Record<string, string> };

/** Answers 200 and settles the entry: with `settled` when all of it went out, else with `lost`. */
export async function answer(call: Call, { source, contentType = JSON_TYPE, headers = {} }: Body): Promise<void> {
  const { response } = call;
  if (response.destroyed) return close(call, 'lost');
  if (call.instead) return call.instead();
  response.writeHead(200, { ...answerHeaders(contentType, msOf(call)), ...headers });
  const whole = await send(response, source, call.manner);
  close(call, whole ? 'settled' : 'lost', { http_status: 200, answered: whole });
}

/** Answers a value as JSON. */
export function answerJson(call: Call, value: unknown, headers: Record<string, string> = {}): Promise<void> {
  return answer(call, { source: [Buffer.from(JSON.stringify(value))], headers });
}

/** Answers an error and ends the entry. */
export async function refuse(call: Call, refusal: Refusal, fault?: RefusedFault): Promise<void> {
  const { response } = call;
  if (response.destroyed) return close(call, 'lost');
  const { http, body: told, headers } = spokenIn(wordsOf(call), refusal, toldOf(call));
  const { type, body } = written(told, refusal, fault);
  const retryAfter = fault?.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
  // A body that was not read to its end would be taken for the next request.
  const rest = call.request.complete ? {} : { connection: 'close' };
  response.writeHead(http, { ...answerHeaders(type, msOf(call)), ...headers, ...retryAfter, ...rest });
  const whole = await send(response, [Buffer.from(body)]);
  close(call, whole ? 'rejected' : 'lost', { http_status: http, answered: whole });
}

/** Answers the error a fault script asks for, when it is due. */
export async function refuseByFault(call: Call, fault: RefusedFault): Promise<void> {
  await pause(call, fault.afterMs ?? 0);
  const example = { model: call.entry.model ?? 'gemini-3-pro-image', version: call.entry.version };
  await refuse(
    call,
    refusalOf(fault.kind, { ...example, ...(fault.retryMs !== undefined && { retryMs: fault.retryMs }) }),
    fault,
  );
}

/** The client may shorten the server's own deadline. */
export function serverTimeoutMs({ request }: Call): number {
  const seconds = Number(request.headers['x-server-timeout']);
  return seconds > 0 ? seconds * 1000 : Number.POSITIVE_INFINITY;
}

/** Resets the connection: the client sees neither headers nor an orderly end. */
export function reset(call: Call): void {
  call.request.socket.resetAndDestroy();
  close(call, 'lost');
}

/** Says nothing until the client, or the emulator, gives up. */
export async function hang(call: Call): Promise<void> {
  await pause(call, FOREVER_MS);
  call.request.socket.destroy();
  close(call, 'lost');
}

/** Waits, at most until the client has gone or the emulator closes. */
export async function pause(call: Call, ms: number): Promise<void> {
  if (ms <= 0 || call.response.destroyed) return;
  const gone = new AbortController();
  const leave = () => gone.abort();
  call.response.once('close', leave);
  await wait(ms, undefined, { signal: AbortSignal.any([gone.signal, call.world.closing]) }).catch(() => undefined);
  call.response.off('close', leave);
}

export function close(call: Call, outcome: 'settled' | 'rejected' | 'lost', more: Partial<JournalEntry> = {}): void {
  call.world.journal.update(call.entry, { outcome, ms: Math.round(msOf(call)), ...more });
}

/** The longest wait a timer takes. */
const FOREVER_MS = 2 ** 31 - 1;

function msOf({ startedAt }: Call): number {
  return performance.now() - startedAt;
}

/** The front end's own pages, where an error does not come from the API itself. */
const HTML_KINDS: ReadonlySet<string> = new Set(['bad_gateway', 'payload_too_large', 'gateway_timeout']);

/** In whose words a call is refused: a relay may have its own, whatever it copies. */
function wordsOf({ mode, project, world }: Call): Mode {
  return mode === 'openai' ? settingsOf(world.settings, project).relay.envelope : mode;
}

function toldOf({ entry, world }: Call): Told {
  return {
    model: entry.model ?? '',
    requestId: `req_${letters(24, world.seed, 'request', entry.n)}`,
    now: world.now(),
  };
}

function written(body: unknown, refusal: Refusal, fault: RefusedFault | undefined): { type: string; body: string } {
  const as = fault?.body ?? (fault && HTML_KINDS.has(fault.kind) ? 'html' : 'json');
  if (as === 'html') return { type: 'text/html; charset=UTF-8', body: page(refusal) };
  if (as === 'empty') return { type: JSON_TYPE, body: '' };
  return { type: JSON_TYPE, body: JSON.stringify(as === 'array' ? [body] : body, undefined, 2) };
}

function page({ http, message }: Refusal): string {
  return `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${http}</title>\n<p><b>${http}.</b> <ins>That’s an error.</ins>\n<p>${message}\n`;
}
