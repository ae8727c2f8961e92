/**
 * `npm run demo`: an evening's catalogue in two minutes.
 *
 * Starts the service as `npm start` does, with a clock that runs fast, draws 200 products, and then does what a
 * catalogue team would do with the `darkroom` command: a dry run, a quote, the batch, its images, a contact sheet.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { drawPictures, writeCatalogue } from './lib/demo-catalogue.mjs';

const ROWS = 200;
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = resolve(process.env.DEMO_FOLDER ?? '.darkroom/demo');
/** The provider's hours pass in seconds, and nobody waits a minute for more jobs. */
const FAST = {
  EMULATOR_BATCH_TURNAROUND_MS: '15000',
  EMULATOR_LATENCY: '0.02',
  EMULATOR_LONGEST_SIDE: '768',
  BATCH_GATHER: '1',
  BATCH_POLL: '1',
  LOG_LEVEL: '',
};

const startedAt = Date.now();
const service = await startService();
try {
  const darkroom = (...args) => runCli(service, args);
  step('drawing 40 product photos and writing a catalogue of 200 rows, four of them wrong');
  const csv = join(folder, 'catalogue.csv');
  await writeFile(csv, writeCatalogue(ROWS, await upload(service, await drawPictures())));

  step('a dry run finds the wrong rows, and submits nothing');
  await darkroom('batch', csv, '--template', 'product-hero', '--dry-run');
  step('a quote: both lanes, before a cent is spent');
  await darkroom('batch', csv, '--template', 'product-hero', '--quote');
  step('the batch: the wrong rows left out, the others at half price, watched to the end');
  const how = ['--template', 'product-hero', '--on-invalid', 'skip', '--yes', '--name', 'Autumn catalogue'];
  const collect = ['--download', join(folder, 'images'), '--contact-sheet', join(folder, 'contact-sheet.html')];
  const code = await darkroom('batch', csv, ...how, ...collect);
  if (code !== 0) throw new Error(`the batch ended with exit code ${code}`);
  step(`done in ${Math.round((Date.now() - startedAt) / 1_000)} s. Look at ${join(folder, 'contact-sheet.html')}`);
} finally {
  await service.stop();
  // The images and the sheet stay; what the service kept for itself is a gigabyte in the end.
  await rm(join(folder, 'data'), { recursive: true, force: true });
}

function step(text) {
  console.log(`\n\u001B[1m${text}\u001B[0m`);
}

async function startService() {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const env = { ...process.env, ...FAST, DARKROOM_DATA: join(folder, 'data'), PORT: String(port) };
  const child = spawn(process.execPath, [join(root, 'scripts/start.mjs')], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const key = Promise.withResolvers();
  child.once('exit', (code) => key.reject(new Error(`the service ended with exit code ${code}`)));
  createInterface(child.stdout).on('line', (line) => {
    const found = /^ {2}key {2,}(\S+)/.exec(line)?.[1];
    if (found) key.resolve(found);
  });
  step("starting Darkroom with the emulator in the provider's place");
  const apiKey = await key.promise;
  return {
    url: `http://127.0.0.1:${port}`,
    apiKey,
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** @returns the ids of the pictures by their names */
async function upload({ url, apiKey }, pictures) {
  const assets = new Map();
  for (const [name, body] of pictures) {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'image/png' };
    const response = await fetch(`${url}/v1/assets`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(`the picture was refused: ${await response.text()}`);
    assets.set(name, (await response.json()).id);
  }
  return assets;
}

async function runCli({ url, apiKey }, args) {
  const main = join(root, 'packages/client/src/cli/main.ts');
  const env = { ...process.env, DARKROOM_URL: url, DARKROOM_API_KEY: apiKey };
  const child = spawn(process.execPath, ['--conditions=source', main, ...args], { env, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  return code;
}
