/** What every command works with. */

import type { ReadStream, WriteStream } from 'node:tty';
import { type Client, createClient } from '../client.ts';
import { EXIT, Exit } from './exit.ts';

export type Terminal = {
  env: Readonly<Record<string, string | undefined>>;
  stdin: Pick<ReadStream, 'isTTY'>;
  stdout: Pick<WriteStream, 'write' | 'isTTY'> & { columns?: number };
  stderr: Pick<WriteStream, 'write' | 'isTTY'>;
  signal: AbortSignal;
};

export type GlobalOptions = { url?: string; key?: string; json?: boolean };

export type Context = {
  client: Client;
  /** A person is looking: progress in words instead of JSON lines. */
  live: boolean;
  /** That person can also answer. */
  asks: boolean;
  signal: AbortSignal;
  /** A line for a person that takes the place of the one drawn before; empty, it makes room for others. */
  draw: (line: string) => void;
  /** A line for a person, or nothing. */
  say: (line: string) => void;
  /** A value for a script, or nothing. */
  print: (value: object) => void;
};

/** Opens the way to the server when a command needs it. */
export type Open = () => Context;

/** Where `npm start` listens. */
function localUrl({ PORT = '8080' }: Terminal['env']): string {
  return `http://127.0.0.1:${PORT}`;
}

/** @throws Exit when no key is known */
export function openContext(terminal: Terminal, options: GlobalOptions, readKey: () => string | undefined): Context {
  const { env, stdin, stdout, signal } = terminal;
  const apiKey = options.key ?? env['DARKROOM_API_KEY'] ?? readKey();
  if (!apiKey) {
    throw new Exit(
      EXIT.invalid,
      'No API key: pass --key, set DARKROOM_API_KEY, or run where `npm start` keeps its data.',
    );
  }
  const live = stdout.isTTY && !options.json;
  return {
    client: createClient({ url: checkedUrl(options.url ?? env['DARKROOM_URL'] ?? localUrl(env)), apiKey }),
    live,
    asks: live && stdin.isTTY,
    signal,
    // One row of the terminal: what wraps could not be taken back.
    draw: (line) => void (live && stdout.write(`\r${line.slice(0, (stdout.columns || 80) - 1)}\u001b[K`)),
    say: (line) => void (live && stdout.write(`${line}\n`)),
    print: (value) => void (live || stdout.write(`${JSON.stringify(value)}\n`)),
  };
}

/** @throws Exit for what is no address, such as one without `http://` */
function checkedUrl(url: string): string {
  if (/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return url;
  throw new Exit(
    EXIT.invalid,
    `"${url}" is no address: begin it with http:// or https://, such as http://127.0.0.1:8080.`,
  );
}
