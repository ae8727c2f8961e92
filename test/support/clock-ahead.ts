/** Loaded before a program of the system: its clock is ahead by `TEST_CLOCK_AHEAD_MS`. Timers pass in real time. */

import process from 'node:process';

const { now } = Date;
const aheadMs = Number(process.env['TEST_CLOCK_AHEAD_MS'] ?? 0);
Date.now = () => now() + aheadMs;
