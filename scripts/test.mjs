/**
 * `npm test`: installs if needed, then builds, lints, type-checks and runs all tests, as continuous integration does.
 *
 * The last line says how many tests passed and failed. A step that fails before the tests counts as one failure.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './lib/install.mjs';
import { checkScriptNode, projectNode, toolEnv } from './lib/node.mjs';
import { closingLine, countTests } from './lib/totals.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'darkroom-test-'));
const report = join(scratch, 'report.json');
/** `npm test -- FILE…` runs these test files alone. */
const only = process.argv.slice(2);

const STEPS = [
  // First: the linter asks the built packages for the types of what a test imports.
  { title: 'build', command: ['npm', 'run', '--silent', 'build'], fix: 'try: npx tsc -b --force' },
  {
    title: 'lint',
    command: ['npm', 'run', '--silent', 'lint'],
    fix: 'npm run format repairs the format; the rest is named above',
  },
  { title: 'types', command: ['tsc', '-p', 'tsconfig.check.json'], fix: 'the compiler names file and line above' },
];
const TESTS = ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...only];

async function main() {
  checkScriptNode();
  await ensureInstalled({ root, say: (line) => console.log(line) });
  projectNode(root);
  for (const { title, command, fix } of STEPS) {
    if (await step(title, command)) continue;
    console.log(`\n${title} failed: ${fix}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const succeeded = await step('tests', TESTS);
  return countTests(readReport(), succeeded);
}

/** Runs one step with its output on the terminal. @returns whether it succeeded */
async function step(title, [command, ...args]) {
  console.log(`\n== ${title}`);
  const startedAt = Date.now();
  const options = { cwd: root, env: toolEnv(root, process.env), stdio: ['ignore', 'inherit', 'inherit'] };
  const child = spawn(command, args, options);
  const end = () => void child.kill();
  process.once('SIGTERM', end);
  const [code] = await once(child, 'exit');
  process.off('SIGTERM', end);
  console.log(`== ${title}: ${code === 0 ? 'passed' : 'FAILED'} in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s`);
  return code === 0;
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return undefined; // the runner died before it could write one
  }
}

const totals = await main().catch((error) => {
  console.error(error.message);
  return { passed: 0, failed: 1, skipped: 0 };
});
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${closingLine(totals)}`);
process.exitCode = totals.failed > 0 ? 1 : 0;
