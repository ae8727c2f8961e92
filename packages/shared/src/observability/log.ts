import { pino } from 'pino';

export type Log = {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
};

/**
 * JSON lines on stdout: an event name and fields, never payloads. The redaction below is the second line of defence:
 * no caller passes a prompt or a key in the first place.
 */
export function createLog(options: { level: string; program: string }): Log {
  // Not synchronous: lines that come while one is being written share the next write. What waits at the exit is flushed.
  const out = pino.destination({ dest: 1, sync: false });
  return toLog(
    pino(
      {
        level: options.level,
        base: { program: options.program, pid: process.pid },
        messageKey: 'event',
        redact: ['*.prompt', 'prompt', '*.authorization', 'authorization', '*.apiKey', 'apiKey'],
      },
      out,
    ),
  );
}

function toLog(logger: ReturnType<typeof pino>): Log {
  return {
    debug: (fields, event) => logger.debug(fields, event),
    info: (fields, event) => logger.info(fields, event),
    warn: (fields, event) => logger.warn(fields, event),
    error: (fields, event) => logger.error(fields, event),
  };
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
