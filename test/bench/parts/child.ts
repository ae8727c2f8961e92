/** Programs under measurement, each in a process of its own that carries a probe. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Reading } from './probe.ts';

const STARTUP_MS = 30_000;
const PROBE = new URL('./probe.ts', import.meta.url).href;

export type Child = AsyncDisposable & {
  /** What the process has used so far, and its longest stall since `reset`. */
  read(): Promise<Reading>;
  /** Forgets stalls. */
  reset(): Promise<void>;
  /** Sends a message and waits for the answer; the program must speak `{ ask, … }` → `{ answer }`. */
  ask<T>(question: object): Promise<T>;
  /** Waits for a match in what the program prints. */
  printed(pattern: RegExp): Promise<string>;
};

/**
 * Starts a TypeScript program of the repository.
 *
 * @param path relative to this file
 */
export function startChild(path: string, options: { name: string; folder: string; env: NodeJS.ProcessEnv }): Child {
  const log = join(options.folder, `${options.name}.log`);
  const out = openSync(log, 'w');
  const program = fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(process.execPath, ['--conditions=source', `--import=${PROBE}`, program], {
    cwd: options.folder,
    env: { PATH: process.env['PATH'], ...options.env },
    stdio: ['ignore', out, out, 'ipc'],
  });
  const exited = once(child, 'exit');

  const ask = async <T>(question: object): Promise<T> => {
    const dead = exited.then(() => {
      throw new Error(`${options.name} died:\n${readFileSync(log, 'utf8').slice(-2_000)}`);
    });
    dead.catch(() => undefined);
    child.send(question);
    return Promise.race([answerOf<T>(child), dead]);
  };

  return {
    ask,
    read: () => ask<Reading>({ ask: 'read' }),
    reset: () => ask({ ask: 'reset' }),
    printed: async (pattern) => {
      for (const end = performance.now() + STARTUP_MS; performance.now() < end; await sleep(10)) {
        const text = readFileSync(log, 'utf8');
        const found = pattern.exec(text);
        if (found) return found[1] ?? found[0];
        if (child.exitCode !== null) throw new Error(`${options.name} did not start:\n${text}`);
      }
      throw new Error(`${options.name} did not print ${pattern} in time`);
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await exited;
    },
  };
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [{ answer: T }];
  return message.answer;
}
