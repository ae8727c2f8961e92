import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { Environment } from './config.ts';
import { REFUSAL_KINDS } from './faults/refusals.ts';
import { Fault } from './faults/rules.ts';
import { Settings } from './settings.ts';

const MAIN = new URL('./main.ts', import.meta.url).pathname;
const ARGS = ['--conditions=source', '--no-warnings', MAIN];

function start(env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, ARGS, { env, stdio: ['ignore', 'pipe', 'pipe'] });
}

async function firstLine(stream: NodeJS.ReadableStream | null): Promise<Record<string, string>> {
  if (!stream) throw new Error('no stream');
  const [line] = await once(createInterface({ input: stream }), 'line');
  return JSON.parse(line);
}

describe('the program', () => {
  it('prints where it listens, answers, and stops at SIGTERM', async () => {
    const child = start({
      EMULATOR_LATENCY: '0',
      EMULATOR_RPM: '3',
      EMULATOR_PROJECTS: '{"alpha":{"quotas":{"rpm":1}}}',
      EMULATOR_CLOCK_SCALE: '600',
      EMULATOR_BATCH_TURNAROUND_MS: '20000',
    });
    const { event, url } = await firstLine(child.stdout);
    expect(event).toBe('emulator.listening');

    const settings = await (await fetch(`${url}/__emulator/settings`)).json();
    expect(settings).toMatchObject({
      latency: 0,
      render: 'full',
      drafts: 0.07,
      signature_bytes: 'realistic',
      quotas: { rpm: 3 },
      projects: { alpha: { quotas: { rpm: 1, day: 'pacific' } } },
      clock_scale: 600,
      batches: { turnaround_ms: 20_000, jobs_max: 100 },
    });

    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('names every mistake of its environment at once', async () => {
    const child = start({ EMULATOR_PORT: 'x', EMULATOR_RENDER: 'big', EMULATOR_DRAFTS: '7', EMULATOR_PROJECTS: '{' });
    const { error = '' } = await firstLine(child.stderr);

    expect(await once(child, 'exit')).toEqual([1, null]);
    for (const name of ['PORT', 'RENDER', 'DRAFTS', 'PROJECTS']) expect(error).toContain(`EMULATOR_${name}`);
  });

  it('leaves with its parent', async () => {
    const child = fork(MAIN, { execArgv: ARGS.slice(0, 2), stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: {} });
    await firstLine(child.stdout);

    child.disconnect();

    expect(await once(child, 'exit')).toEqual([0, null]);
  });
});

describe('the README', () => {
  it('names every variable, setting and kind of fault', async () => {
    const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
    const kinds = Fault.options.flatMap(({ shape }) => ('value' in shape.kind ? shape.kind.value : REFUSAL_KINDS));
    const names = [...Object.keys(Environment.shape), ...Object.keys(Settings.shape), ...kinds];

    expect(names.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
  });
});
