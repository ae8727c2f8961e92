/** One program of Darkroom as a child process, with its log in a file. */

import { closeSync, openSync, statSync } from 'node:fs';
import { tail } from './files.mjs';
import { runProgram } from './running.mjs';

const LAST_WORDS = 8;

/**
 * The child writes to its log file itself and holds a channel to the launcher: when the launcher is killed the child
 * can still log, hears that the channel closed, drains and ends.
 *
 * @param {{ name: string, node: string, main: string, cwd: string, env: Record<string, string>, logFile: string }} options
 */
export function createProgram({ name, node, main, cwd, env, logFile }) {
  let running;
  let logStart = 0;
  return {
    name,
    logFile,
    start: async () => {
      const log = openSync(logFile, 'a', 0o600);
      logStart = statSync(logFile).size;
      const options = { cwd, env, stdio: ['ignore', log, log, 'ipc'] };
      running = await runProgram(node, ['--conditions=source', main], options).finally(() => closeSync(log));
    },
    /** The present process; undefined before the first start. */
    running: () => running,
    exited: () => running.exited,
    /** What the present process, or the one that just ended, said last. */
    lastWords: () => tail(logFile, LAST_WORDS, logStart),
    /** What the present process has said so far, for whoever waits for a line of it. */
    said: (lines = 200) => tail(logFile, lines, logStart),
  };
}
