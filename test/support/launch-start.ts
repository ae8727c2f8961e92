/** `npm start` as a process of its own, and what it says. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { env } from 'node:process';
import { expect, vi } from 'vitest';
import { NODE_COMPILE_CACHE } from './system/program.ts';

const ROOT = join(import.meta.dirname, '../..');

export type Launcher = ReturnType<typeof launchStart>;

/** `npm start` without npm, on a data folder of the test and any free port. */
export function launchStart(dataDir: string, extra: Record<string, string> = {}) {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs')], {
    cwd: ROOT,
    // What the developer's own shell says about a Darkroom must not reach the one under test.
    env: {
      PATH: env.PATH,
      HOME: env.HOME,
      NODE_COMPILE_CACHE,
      EMULATOR_LATENCY: '0',
      DARKROOM_DATA: dataDir,
      PORT: '0',
      ...extra,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  const exited = once(child, 'exit').then(([code]) => Number(code));
  const launcher = {
    pid: Number(child.pid),
    output: () => output,
    exited,
    says: (words: string | RegExp) =>
      vi.waitFor(() => expect(output).toMatch(words), { timeout: 60_000, interval: 20 }),
    /** A command of the introduction, as a person would copy it. */
    command: (start: string) => {
      const lines = output.slice(output.indexOf(start)).split('\n');
      return lines.slice(0, lines.findIndex((line) => !line.endsWith('\\')) + 1).join('\n');
    },
    key: () => /dk_live_[\w-]{43}/.exec(output)?.[0] ?? '',
    url: () => /ready: (\S+)/.exec(output)?.[1] ?? '',
    stop: async (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal);
      return exited;
    },
  };
  return launcher;
}
