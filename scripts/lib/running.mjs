/** One process of ours: spawned here, or found alive from an earlier start. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

/**
 * @typedef {{ pid: number, exited: Promise<string>, kill: (signal: NodeJS.Signals) => void }} Running
 *   `exited` resolves, never rejects, with how it ended in words.
 */

/** How often a process that is not our child is looked at. */
const LOOK_MS = 250;

/**
 * Starts a program in a session of its own, so that Ctrl-C in the terminal reaches the launcher alone, which then
 * stops everything in the right order.
 *
 * @returns {Promise<Running>}
 * @throws when the program cannot be started at all
 */
export async function runProgram(command, args, { stdio, ...options }) {
  const child = spawn(command, args, { ...options, stdio, detached: true });
  const exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`));
  });
  await new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  // A later error only says that a signal could not be sent; the end itself arrives as `exit`.
  child.on('error', () => undefined);
  return { pid: child.pid, exited, kill: (signal) => void child.kill(signal) };
}

/** @returns {Running} a process that someone else started; looked at a few times a second */
export function watchProcess(pid) {
  const watch = async () => {
    while (isAlive(pid)) await wait(LOOK_MS);
    return 'is gone';
  };
  return { pid, exited: watch(), kill: (signal) => void sendSignal(pid, signal) };
}

/**
 * Asks a process to end, and ends it when it has not by then, or as soon as `hurry` is aborted.
 *
 * @param {Running} running
 * @param {{ graceMs: number, hurry?: AbortSignal }} patience
 * @returns {Promise<'ended' | 'killed'>}
 */
export async function endProcess(running, { graceMs, hurry }) {
  running.kill('SIGTERM');
  const done = new AbortController();
  const signal = hurry ? AbortSignal.any([done.signal, hurry]) : done.signal;
  const lateOrHurried = wait(graceMs, undefined, { signal }).catch(() => undefined);
  const end = await Promise.race([running.exited.then(() => 'ended'), lateOrHurried.then(() => 'killed')]);
  done.abort();
  if (end === 'killed') running.kill('SIGKILL');
  await running.exited;
  return end;
}

/** Whether a process runs. One that has ended but was never collected by its parent does not. */
export function isAlive(pid) {
  return sendSignal(pid, 0) && !isZombie(pid);
}

function isZombie(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false; // gone this moment, or a system without /proc, whose init collects orphans
  }
}

function sendSignal(pid, signal) {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
