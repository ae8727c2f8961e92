import { type Logger, pino } from 'pino';
import { isTracing, traceFields } from './trace.ts';

export type Log = {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
};

/** The lines that every request and every try of a webhook writes. Their fields are fixed and flat: nothing to look for in them. */
const FIXED: ReadonlySet<string> = new Set(['http.request', 'webhook.tried']);

/** Lines gather up to this many characters, and this long. */
const GATHER_MAX = 16_384;
const GATHER_MS = 50;

/**
 * JSON lines on stdout: an event name and fields, never payloads. The redaction below is the second line of defence:
 * no caller passes a prompt or a key in the first place.
 */
export function createLog(options: { level: string; program: string }): Log {
  const out = gather(pino.destination({ dest: 1, sync: false }));
  const settings = {
    level: options.level,
    base: { program: options.program, pid: process.pid },
    messageKey: 'event',
  };
  const fixed = pino(settings, out);
  const redacting = pino(
    { ...settings, redact: ['*.prompt', 'prompt', '*.authorization', 'authorization', '*.apiKey', 'apiKey'] },
    out,
  );
  return toLog(redacting, fixed, out.flush);
}

/**
 * Puts lines together: a write for each costs a busy API a tenth of its time. What waits at the exit is written then.
 *
 * The destination could gather too, but it measures all it holds anew with every line.
 */
function gather(out: ReturnType<typeof pino.destination>) {
  let lines = '';
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines) out.write(lines);
    lines = '';
  };
  process.on('exit', () => {
    flush();
    out.flushSync();
  });
  return {
    flush,
    write: (line: string) => {
      lines += line;
      if (lines.length > GATHER_MAX) flush();
      else timer ??= setTimeout(flush, GATHER_MS).unref();
    },
  };
}

/** Trouble is written at once: the process may not live to the next flush. */
function toLog(logger: Logger, fixed: Logger, flush: () => void): Log {
  return {
    debug: (fields, event) => logger.debug(placed(fields), event),
    info: (fields, event) => (FIXED.has(event) ? fixed : logger).info(placed(fields), event),
    warn: (fields, event) => {
      logger.warn(placed(fields), event);
      flush();
    },
    error: (fields, event) => {
      logger.error(placed(fields), event);
      flush();
    },
  };
}

/** With the trace that the line belongs to, when there is one. */
function placed(fields: object): object {
  return isTracing() ? { ...fields, ...traceFields() } : fields;
}

/** Says that the host's clock is off, or not any more. @param aheadMs of the clock that all hosts go by; 0 = it agrees */
export function tellOfClock(log: Log, aheadMs: number): void {
  if (aheadMs === 0) log.info({}, 'clock.right');
  else log.warn({ ms: aheadMs }, 'clock.off');
}

/** A failure in words fit for a log: name, code and message, cut; no stack unless it is a bug. */
export function describeError(error: unknown): { error: string; code?: string; stack?: string } {
  if (!(error instanceof Error)) return { error: String(error).slice(0, 300) };
  const code = (error as { code?: unknown }).code;
  const expected = error.name === 'AppError';
  return {
    error: `${error.name}: ${error.message}`.slice(0, 300),
    ...(typeof code === 'string' && { code }),
    ...(!expected && error.stack && { stack: error.stack.slice(0, 2_000) }),
  };
}
