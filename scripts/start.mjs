/**
 * `npm start`: Darkroom on this machine, with nothing but Node 20 or newer and npm.
 *
 * Parses under Node 20, which may be all there is: it installs what is missing and then runs itself again under the
 * Node that the repository pins.
 */

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './lib/install.mjs';
import { checkScriptNode, isNewEnough, projectNode, runInPlace, toolEnv } from './lib/node.mjs';
import { createSay } from './lib/say.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

async function main() {
  const { say, introduce } = createSay();
  checkScriptNode();
  await ensureInstalled({ root, say: (line) => say('install', line) });
  const node = projectNode(root);
  if (!isNewEnough(process.versions.node)) {
    const script = fileURLToPath(import.meta.url);
    return runInPlace(node, [script], { env: toolEnv(root, process.env), isolated: true });
  }
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { launch } = await import('./lib/launcher.mjs');
  const { readSettings } = await import('./lib/settings.mjs');
  return untilStopped(say, async ({ opened, stop, hurry }) => {
    const settings = readSettings(process.env, process.cwd());
    introduce(settings, await launch({ root, node, settings, say, opened, stop, hurry }));
  });
}

/** Runs `begin`, waits for the word to stop, and closes what was opened. @returns the exit code */
async function untilStopped(say, begin) {
  const [stopping, hurrying] = [new AbortController(), new AbortController()];
  const [stopped, hurried] = [stopping, hurrying].map(({ signal }) => once(signal, 'abort'));
  const onStop = (why) => {
    say('stop', why);
    if (stopping.signal.aborted) hurrying.abort();
    stopping.abort();
  };
  process.on('SIGINT', () => onStop('Ctrl-C'));
  process.on('SIGTERM', () => onStop('SIGTERM'));
  process.on('SIGHUP', () => onStop('the terminal was closed'));
  if (process.connected) process.on('disconnect', () => onStop('the process that started this one is gone'));

  const opened = new AsyncDisposableStack();
  try {
    const begun = begin({ opened, stop: stopping.signal, hurry: hurrying.signal });
    // A step that takes long, such as a download, is not waited for when the second Ctrl-C comes.
    await Promise.race([begun, hurried]);
    await stopped;
  } catch (error) {
    if (!stopping.signal.aborted) throw error;
  } finally {
    await opened.disposeAsync();
  }
  say('stop', 'nothing is left running');
  return 0;
}

// A closed terminal must not keep the programs from being stopped.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(`\n${error.message}`);
    process.exit(1);
  },
);
