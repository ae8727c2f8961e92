/** Loaded before a program under measurement: tells over IPC what the process has used. */

import { monitorEventLoopDelay } from 'node:perf_hooks';

export type Reading = {
  /** CPU of all threads since the start, in ms. */
  cpuMs: number;
  /** Highest resident size since the start, in MB. */
  rssMbMax: number;
  /** Longest time the event loop was late by since the last reset, in ms. */
  stallMs: number;
};

const RESOLUTION_MS = 1;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

function read(): Reading {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  return {
    cpuMs: (userCPUTime + systemCPUTime) / 1_000,
    rssMbMax: maxRSS / 1_024,
    stallMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS),
  };
}

// The monitor is a timer of every millisecond: it runs only between a reset and the next reading.
process.on('message', ({ ask }: { ask?: string }) => {
  if (ask !== 'read' && ask !== 'reset') return;
  if (ask === 'reset') {
    delay.reset();
    delay.enable();
  }
  const answer = read();
  if (ask === 'read') delay.disable();
  process.send?.({ answer });
});

// Whoever measures is gone, perhaps killed: nothing of it may stay behind.
process.on('disconnect', () => process.exit());
