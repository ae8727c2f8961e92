/**
 * Loaded before a program of the system: another clock than the machine's. Timers pass in real time.
 *
 * `TEST_CLOCK` = `AT,SHOWS,PACE`: at the machine's instant AT it shows SHOWS, and from there on goes PACE times as fast.
 */

import process from 'node:process';

const { now } = Date;
const [at = 0, shows = 0, pace = 1] = (process.env['TEST_CLOCK'] ?? '0,0,1').split(',').map(Number);
Date.now = () => shows + Math.floor((now() - at) * pace);
