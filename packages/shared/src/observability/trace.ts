/**
 * Traces: how a request went on its way through queue, worker and provider, span by span.
 *
 * Off unless `startTracing` gave a tracer; then everything here costs one look at a variable. Only what a request began is
 * recorded: a piece of work with neither a span around it nor an origin makes none, so the loops of a
 * worker leave no traces of their own. Spans say ids, models, outcomes and costs; never what a caller wrote, a key, a URL
 * or the words of an error.
 */

import {
  type Context,
  context,
  type Link,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';

/** What a span says of its work. `undefined` is left out. */
export type SpanFacts = Record<string, string | number | boolean | undefined>;

/** What a piece of work goes on from, as traceparents: one request, or many, and then it begins a trace that is linked to them. */
export type Origin = { parent: string } | { links: readonly string[] };

export type SpanOptions = {
  /** `client` = a call to somebody else, `consumer` = takes up what was left in a queue. Default: work of our own. */
  kind?: 'client' | 'consumer';
  /** Where it belongs when no span is around it. */
  from?: Origin | undefined;
  /** Traceparents of what led to this, beside the span around it. */
  links?: readonly string[];
  facts?: SpanFacts;
};

/** The span of one HTTP request that is being answered. */
export type RequestSpan = {
  /** `work` as it is to run: in this span. */
  around(work: () => void): () => void;
  end(name: string, facts: SpanFacts, failed: boolean): void;
};

const KINDS = { client: SpanKind.CLIENT, consumer: SpanKind.CONSUMER } as const;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

let tracer: Tracer | undefined;

/** Turns tracing on, through the SDK that is registered with the OpenTelemetry API, or off. */
export function setTracing(on: boolean): void {
  tracer = on ? trace.getTracer('darkroom') : undefined;
}

export function isTracing(): boolean {
  return tracer !== undefined;
}

/**
 * Runs `work` in a span named `name`, which ends with it. A throw marks the span as failed, by the error's code or name alone.
 *
 * Without tracing, or with neither a span around it nor an origin, `work` is just run.
 */
export function withSpan<T>(name: string, options: SpanOptions, work: () => Promise<T>): Promise<T> {
  if (!tracer) return work();
  const place = placeOf(options);
  if (!place) return work();
  const { kind, facts } = options;
  const settings = {
    kind: kind ? KINDS[kind] : SpanKind.INTERNAL,
    links: place.links.flatMap(toLink),
    ...(facts && { attributes: told(facts) }),
  };
  return tracer.startActiveSpan(name, settings, place.within, async (span) => {
    try {
      return await work();
    } catch (error) {
      markFailed(span, kindOf(error));
      throw error;
    } finally {
      span.end();
    }
  });
}

/** `work` as it is to be called from elsewhere, such as by a socket: in the span that is around this. */
export function inThisSpan<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void {
  return tracer ? context.bind(context.active(), work) : work;
}

/** Runs `work` as if no span were around it. For what is too small and too often to be told. */
export function untraced<T>(work: () => T): T {
  return tracer ? context.with(ROOT_CONTEXT, work) : work();
}

export function isInSpan(): boolean {
  return tracer !== undefined && trace.getActiveSpan() !== undefined;
}

/** Adds to what the span around this says. */
export function tellSpan(facts: SpanFacts): void {
  if (tracer) trace.getActiveSpan()?.setAttributes(told(facts));
}

/** Says that the work of the span around this came to no good, and by what: a code, never a message. */
export function failSpan(code: string): void {
  const span = tracer && trace.getActiveSpan();
  if (span) markFailed(span, code);
}

/** The W3C traceparent of the span around this, to be kept for whoever goes on; `undefined` when nothing is recorded. */
export function traceparent(): string | undefined {
  const here = tracer && trace.getActiveSpan()?.spanContext();
  if (!here || !isRecorded(here)) return undefined;
  return `00-${here.traceId}-${here.spanId}-${here.traceFlags.toString(16).padStart(2, '0')}`;
}

/** What a log line says of the trace it belongs to. */
export function traceFields(): { trace_id?: string } {
  const here = tracer && trace.getActiveSpan()?.spanContext();
  return here && isRecorded(here) ? { trace_id: here.traceId } : {};
}

/** Begins the span of a request, in the trace that its headers name if they name one; `undefined` without tracing. */
export function startRequestSpan(method: string, headers: NodeJS.Dict<string | string[]>): RequestSpan | undefined {
  if (!tracer) return undefined;
  const caller = propagation.extract(ROOT_CONTEXT, headers);
  const attributes = { 'http.request.method': method };
  const span = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, caller);
  const within = trace.setSpan(caller, span);
  return {
    around: (work) => context.bind(within, work),
    end: (name, facts, failed) => {
      span.updateName(name);
      span.setAttributes(told(facts));
      if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}

/** What a new span belongs under and is linked to; `undefined` = nothing, so there is to be none. */
function placeOf({ from, links = [] }: SpanOptions): { within: Context; links: readonly string[] } | undefined {
  if (isInSpan()) return { within: context.active(), links };
  if (!from) return undefined;
  if ('links' in from) return { within: ROOT_CONTEXT, links: from.links };
  const parent = parse(from.parent);
  return parent && { within: trace.setSpanContext(ROOT_CONTEXT, parent), links: [] };
}

function toLink(from: string): Link[] {
  const named = parse(from);
  return named ? [{ context: named }] : [];
}

function parse(from: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(from) ?? [];
  if (!traceId || !spanId || !flags) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

function isRecorded({ traceFlags }: SpanContext): boolean {
  return (traceFlags & TraceFlags.SAMPLED) !== 0;
}

function markFailed(span: Span, code: string): void {
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.setAttribute('error.type', code);
}

function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : error.name;
}

function told(facts: SpanFacts): Record<string, string | number | boolean> {
  const said: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(facts)) if (value !== undefined) said[name] = value;
  return said;
}
