/** `run.mjs COMMAND ARGUMENTS…`: runs a tool of this repository on the Node of this repository. */

import { fileURLToPath } from 'node:url';
import { checkScriptNode, projectNode, runInPlace, toolEnv } from './lib/node.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const [command, ...args] = process.argv.slice(2);

try {
  checkScriptNode();
  if (!command) throw new Error('usage: run.mjs COMMAND ARGUMENTS…');
  projectNode(root);
  process.exitCode = await runInPlace(command, args, { env: toolEnv(root, process.env) });
} catch (error) {
  console.error(error.code === 'ENOENT' ? `${command}: no such program; run npm ci first` : error.message);
  process.exitCode = 1;
}
