#!/usr/bin/env node
/** `darkroom-emulator`: one emulator, until it is told to stop or its parent has gone. */
import process, { env } from 'node:process';
import { readEnvironment } from './config.ts';
import { startEmulator } from './server.ts';

/** The longest a drain waits for a call that never ends. */
const DRAIN_MS = 330_000;

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
  // Only when started with an IPC channel: a parent that was killed cannot send a signal. Its other programs are
  // draining then, and a call cut now would be in doubt, so those that are in flight end first.
  const stopWhenIdle = async () => {
    setTimeout(() => void stop(), DRAIN_MS).unref();
    await emulator.control.idle();
    await stop();
  };
  if (process.connected) process.once('disconnect', () => void stopWhenIdle());
  print(process.stdout, { event: 'emulator.listening', url: emulator.url, port: emulator.port });
} catch (error) {
  print(process.stderr, { event: 'emulator.refused', error: error instanceof Error ? error.message : String(error) });
  process.exitCode = 1;
}
