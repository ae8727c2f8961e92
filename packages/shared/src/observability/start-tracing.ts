import { DiagLogLevel, diag } from '@opentelemetry/api';
import type { Log } from './log.ts';
import { setTracing } from './trace.ts';

/** The standard variables that say whether there are traces; the SDK reads them and all others of its own by itself. */
export type TracingEnv = {
  OTEL_EXPORTER_OTLP_ENDPOINT?: string | undefined;
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT?: string | undefined;
  OTEL_TRACES_EXPORTER?: string | undefined;
  OTEL_SERVICE_NAME?: string | undefined;
  OTEL_RESOURCE_ATTRIBUTES?: string | undefined;
};

/** A program that ends waits no longer than this for whoever collects its traces. */
const FLUSH_MS = 3_000;
const WORDS_MAX = 300;

/** Whether traces are asked for: an exporter or the address of a collector is set, and `OTEL_TRACES_EXPORTER` is not `none`. */
export function isTracingAsked(env: TracingEnv): boolean {
  const exporter = env.OTEL_TRACES_EXPORTER;
  if (exporter !== undefined) return exporter.trim() !== 'none';
  return (env.OTEL_EXPORTER_OTLP_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) !== undefined;
}

/**
 * Loads the OpenTelemetry SDK and turns tracing on, if the environment asks for that; else nothing is loaded at all.
 *
 * @param program names the service in traces, when no variable does
 * @returns sends what has not been sent yet, to be called when the program ends; never fails
 */
export async function startTracing(
  env: TracingEnv,
  options: { program: string; log: Log },
): Promise<() => Promise<void>> {
  if (!isTracingAsked(env)) return async () => undefined;
  const { program, log } = options;
  const { NodeSDK } = await import('@opentelemetry/sdk-node');
  const isNamed = env.OTEL_SERVICE_NAME ?? /(^|,)\s*service\.name\s*=/.test(env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  const sdk = new NodeSDK({
    ...(!isNamed && { serviceName: `darkroom-${program}` }),
    // Without these it sends figures and log lines to the same collector as well: figures are at /metrics.
    metricReaders: [],
    logRecordProcessors: [],
  });
  // After the SDK, which may have set a logger of its own: a collector that is away is for our log to tell.
  diag.setLogger(tellingOf(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  sdk.start();
  setTracing(true);
  log.info({ exporter: env.OTEL_TRACES_EXPORTER ?? 'otlp' }, 'tracing.started');
  return async () => {
    setTracing(false);
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, FLUSH_MS);
    const flushed = sdk.shutdown().catch(() => undefined); // The log has it by now.
    await Promise.race([flushed, patience]);
    clearTimeout(timer);
  };
}

function tellingOf(log: Log) {
  const tell = (message: string) => log.warn({ reason: message.slice(0, WORDS_MAX) }, 'tracing.trouble');
  const silent = () => undefined;
  return { error: tell, warn: tell, info: silent, debug: silent, verbose: silent };
}
