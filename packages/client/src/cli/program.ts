import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { DarkroomError } from '../error.ts';
import { addBatch } from './commands/batch.ts';
import { addChannels } from './commands/channels.ts';
import { addDownload } from './commands/download.ts';
import { addEvents } from './commands/events.ts';
import { addJobs } from './commands/jobs.ts';
import { addStatus } from './commands/status.ts';
import { addWebhooks } from './commands/webhooks.ts';
import { type GlobalOptions, type Open, openContext, type Terminal } from './context.ts';
import { EXIT, Exit } from './exit.ts';

/** The whole command line; `run` answers with the exit code and never throws. */
export function createProgram(terminal: Terminal): { run(args: string[]): Promise<number> } {
  const program = new Command('darkroom')
    .description('Images from Gemini: one by one, or a catalogue overnight.')
    .option('--url <url>', 'where Darkroom listens (DARKROOM_URL, else where `npm start` listens)')
    .option('--key <key>', 'API key (DARKROOM_API_KEY, else the one that `npm start` keeps here)')
    .option('--json', 'JSON lines even on a terminal')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
    });
  let code: number = EXIT.ok;
  const open: Open = () => openContext(terminal, program.opts<GlobalOptions>(), () => keptKey(terminal.env));
  const end = (result: number) => {
    code = result;
  };
  addJobs(program, open, end);
  addBatch(program, open, end);
  addStatus(program, open, end);
  addDownload(program, open, end);
  addEvents(program, open);
  addWebhooks(program, open);
  addChannels(program, open);
  return {
    run: async (args) => {
      try {
        await program.parseAsync(args, { from: 'user' });
        return code;
      } catch (error) {
        return explain(terminal, error);
      }
    },
  };
}

/** The key that `npm start` made, when this is where it was run. */
function keptKey(env: Terminal['env']): string | undefined {
  const path = join(env['DARKROOM_DATA'] ?? '.darkroom', 'api-key');
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

function explain({ stderr, signal }: Terminal, error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.invalid;
  if (error instanceof Exit) {
    stderr.write(`${error.message}\n`);
    return error.code;
  }
  if (signal.aborted) return EXIT.interrupted;
  if (error instanceof DarkroomError) {
    const { problem } = error;
    stderr.write(`${error.message}\n`);
    // A single one is the message itself.
    const errors = problem?.errors ?? [];
    for (const { path, message } of errors.length > 1 ? errors : []) stderr.write(`  ${path}: ${message}\n`);
    if (problem?.fix) stderr.write(`${problem.fix}\n`);
    if (error.status === 0)
      stderr.write('Is it started? `npm start`, or name another place by --url or DARKROOM_URL.\n');
    return error.retryable ? EXIT.unavailable : EXIT.invalid;
  }
  if (isFileError(error)) {
    stderr.write(`${error.path}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}\n`);
    return EXIT.invalid;
  }
  throw error;
}

function isFileError(error: unknown): error is NodeJS.ErrnoException & { path: string } {
  return error instanceof Error && 'code' in error && 'path' in error && typeof error.path === 'string';
}
