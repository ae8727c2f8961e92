/** The emulator as a server: opens, answers, closes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { type Control, createControl } from './control/control.ts';
import { answerControl, CONTROL_PREFIX } from './control/routes.ts';
import { type OutageInput, Outages } from './faults/outage.ts';
import { type FaultRule, FaultRules } from './faults/rules.ts';
import { credentialOf } from './http/credential.ts';
import { GoogleError, keyRefusal, pathNotFound, type Refusal } from './http/google-error.ts';
import { resourceOf } from './modes/vertex.ts';
import { tokenRefusal } from './modes/vertex-access.ts';
import { projectOfKey } from './projects.ts';
import { type Call, refuse } from './routes/call.ts';
import { findRoute } from './routes/index.ts';
import { QUIET, Settings, SettingsPatch } from './settings.ts';
import { createWorld, type World } from './world.ts';

export type EmulatorOptions = {
  /** 0 or none = any free port. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** All chance follows from it. Default `darkroom`. */
  seed?: string;
  /** Epoch milliseconds; latencies pass in real time. Default `Date.now`. */
  now?: () => number;
  /** Where they differ from `QUIET`, which is made for tests. */
  settings?: SettingsPatch;
  faults?: FaultRule[];
  /** Bad times, counted from the start. */
  outages?: OutageInput[];
};

export type Emulator = {
  /** Base URL, without a slash at its end: what an SDK takes as `baseUrl`. */
  url: string;
  port: number;
  control: Control;
  /** Ends all connections, also those that wait, and frees the port. Safe to call twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const DEFAULT_SEED = 'darkroom';
/** Longer than any client's, so that a reused connection is never closed under a request. */
const KEEP_ALIVE_MS = 120_000;

/** Starts an emulator of its own, with nothing shared. @throws when the port is taken or an option makes no sense. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const closing = new AbortController();
  const world = createWorld({
    seed: options.seed ?? DEFAULT_SEED,
    now: options.now ?? Date.now,
    settings: Settings.parse({ ...QUIET, ...SettingsPatch.parse(options.settings ?? {}) }),
    faults: z.parse(FaultRules, options.faults ?? []),
    outages: z.parse(Outages, options.outages ?? []),
    closing: closing.signal,
  });
  let url = '';
  const control = createControl(world, () => url);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, (request, response) => {
    void handle({ world, control, request, response });
  });
  const host = options.host ?? '127.0.0.1';
  const port = await listen(server, options.port ?? 0, host);
  const close = async () => {
    closing.abort();
    world.clock.close();
    world.hold.release();
    await stop(server);
    world.disk.close();
  };
  url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return {
    url,
    port,
    control,
    close,
    [Symbol.asyncDispose]: close,
  };
}

type Exchange = { world: World; control: Control; request: IncomingMessage; response: ServerResponse };

async function handle({ world, control, request, response }: Exchange): Promise<void> {
  // A connection that breaks shows as `close`; without a listener the error would end the process.
  response.on('error', () => {});
  const url = URL.parse(request.url ?? '', 'http://emulator');
  world.clock.catchUp();
  try {
    if (url?.pathname.startsWith(CONTROL_PREFIX)) await answerControl(control, request, response, url);
    else if (url) await handleCall(world, request, response, url);
    else response.writeHead(400).end();
  } catch (error) {
    // The client went away while its request was read; anything else is a bug and must be seen.
    if (response.destroyed) return;
    process.stderr.write(
      `${JSON.stringify({ event: 'emulator.failed', error: String(error), path: url?.pathname })}\n`,
    );
    response.destroy();
  }
}

async function handleCall(world: World, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const { name, handle, params, keyless, mode } = findRoute(request, url);
  const key = credentialOf(request, url);
  const { version = '' } = params;
  const project = params['project'] ?? projectOfKey(key, world.settings);
  const path = url.pathname;
  const entry = world.journal.open({ route: name, mode, project, path, version, key: key.slice(-4) });
  const call: Call = {
    world,
    request,
    response,
    url,
    key,
    mode,
    project,
    entry,
    params,
    startedAt: performance.now(),
    manner: undefined,
    requestBytesMax: undefined,
    staleMs: undefined,
    instead: undefined,
  };
  response.once('close', () => {
    if (entry.outcome === 'open' && !response.writableFinished) world.journal.update(entry, { left: true });
  });
  try {
    const refusal = keyless ? undefined : accessRefusal(call);
    if (refusal) throw new GoogleError(refusal);
    if (!handle) throw new GoogleError(pathNotFound(url.pathname));
    await handle(call);
  } catch (error) {
    if (error instanceof GoogleError) await refuse(call, error.refusal);
    else {
      world.journal.update(entry, { outcome: 'lost' });
      throw error;
    }
  }
}

function accessRefusal({ world, mode, key, params }: Call): Refusal | undefined {
  return mode === 'vertex' ? tokenRefusal(world.accounts, key, params['project'], resourceOf(params)) : keyRefusal(key);
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
