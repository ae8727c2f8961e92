#!/usr/bin/env node
/** `darkroom-emulator`: one emulator, until it is told to stop or its parent has gone. */
import process, { env } from 'node:process';
import { readEnvironment } from './config.ts';
import { startEmulator } from './server.ts';

function print(stream: NodeJS.WriteStream, line: Record<string, unknown>): void {
  stream.write(`${JSON.stringify(line)}\n`);
}

try {
  const emulator = await startEmulator(readEnvironment(env));
  const stop = async () => {
    await emulator.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
  // Only when started with an IPC channel: a parent that was killed cannot send a signal.
  if (process.connected) process.once('disconnect', () => void stop());
  print(process.stdout, { event: 'emulator.listening', url: emulator.url, port: emulator.port });
} catch (error) {
  print(process.stderr, { event: 'emulator.refused', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
