#!/usr/bin/env node
/** `darkroom`: submit, watch and collect from a terminal or a script. */

import { createProgram } from './program.ts';

const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted')));

process.exitCode = await createProgram({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
}).run(process.argv.slice(2));
