/** One program of the system as a child process: its log, its end, and how it is made to die. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export type LogLine = { event: string; [field: string]: unknown };
export type Env = Record<string, string>;
export type Exit = { code: number | null; signal: NodeJS.Signals | null };

export type Program = AsyncDisposable & {
  name: string;
  /** Starts it, with `env` over its usual environment; resolves with the line that says it listens. */
  start(env?: Env): Promise<LogLine>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<Exit>;
  /** SIGTERM; resolves when it has drained and gone. */
  stop(): Promise<Exit>;
  /** Resolves when the running process ends, in whatever way. */
  exited(): Promise<Exit>;
  running(): boolean;
  /** Every line it ever wrote, over all its lives. */
  lines: LogLine[];
  /** The first line, past or to come, of which `claim` holds. */
  line(claim: (line: LogLine) => boolean): Promise<LogLine>;
  /** Everything it ever wrote on either output, as it was written. */
  output(): string;
};

export type ProgramOptions = { name: string; main: URL; env: Env; ready: string };

const OUTPUT_MAX = 32 << 20;
/** Tests start the same programs a hundred times: loading them from source takes a third less with this. */
export const NODE_COMPILE_CACHE = join(tmpdir(), 'darkroom-compile-cache');
/** A process that is thrown away gets this long to end by itself. */
const PATIENCE_MS = 1_000;

/** A program that is not running yet. */
export function createProgram({ name, main, env, ready }: ProgramOptions): Program {
  const lines: LogLine[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  let written: string[] = [];
  let size = 0;
  let child: ChildProcess | undefined;
  let ended: Promise<Exit> = Promise.resolve({ code: 0, signal: null });
  let alive = false;

  const keep = (text: string) => {
    size += text.length;
    if (size > OUTPUT_MAX) written = written.slice(written.length / 2);
    written.push(text);
    const line = parseLine(text);
    if (!line) return;
    lines.push(line);
    for (const look of waiting) look(line);
  };

  function line(claim: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    const known = lines.slice(from).find(claim);
    if (known) return Promise.resolve(known);
    return new Promise((resolve) => {
      const look = (next: LogLine) => {
        if (!claim(next)) return;
        waiting.delete(look);
        resolve(next);
      };
      waiting.add(look);
    });
  }

  async function start(more: Env = {}): Promise<LogLine> {
    const from = lines.length;
    const started = spawn(process.execPath, ['--conditions=source', main.pathname], {
      env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE, ...env, ...more },
      // The channel ends with this process, however that ends, and tells the program to end too.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    child = started;
    alive = true;
    for (const stream of [started.stdout, started.stderr]) {
      if (stream) createInterface({ input: stream }).on('line', keep);
    }
    ended = once(started, 'exit').then(([code, signal]: (number | string | null)[]) => {
      if (child === started) alive = false;
      return { code, signal } as Exit;
    });
    const listening = line(({ event }) => event === ready, from);
    const died = ended.then(({ code, signal }) => {
      throw new Error(`${name} ended (${code ?? signal}) before it listened:\n${written.slice(-5).join('\n')}`);
    });
    died.catch(() => undefined); // Whoever started it long ago does not wait here any more.
    return Promise.race([listening, died]);
  }

  const end = (signal: NodeJS.Signals): Promise<Exit> => {
    if (alive) child?.kill(signal);
    return ended;
  };

  return {
    name,
    start,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    exited: () => ended,
    running: () => alive,
    lines,
    line,
    output: () => written.join('\n'),
    [Symbol.asyncDispose]: async () => {
      if (!alive) return;
      const timer = setTimeout(() => child?.kill('SIGKILL'), PATIENCE_MS);
      await end('SIGTERM');
      clearTimeout(timer);
    },
  };
}

function parseLine(text: string): LogLine | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'event' in value ? (value as LogLine) : undefined;
  } catch {
    return undefined;
  }
}
