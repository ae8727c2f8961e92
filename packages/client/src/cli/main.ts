#!/usr/bin/env node
/** `darkroom`: submit, watch and collect from a terminal or a script. */

import { createProgram } from './program.ts';

// Run through npm, paths are meant from where npm was called.
if (process.env['INIT_CWD']) process.chdir(process.env['INIT_CWD']);

const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort(new Error('interrupted')));
// As by `| head -1`: whoever reads no further wants no more.
for (const output of [process.stdout, process.stderr])
  output.on('error', () => stop.abort(new Error('nobody reads the output any more')));

process.exitCode = await createProgram({
  env: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: stop.signal,
}).run(process.argv.slice(2));
