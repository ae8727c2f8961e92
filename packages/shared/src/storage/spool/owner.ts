/** Whose folder this is, and whether that process still lives. */

import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';

/** The file in an owner's folder that says who the owner is; its modification time is the owner's heartbeat. */
export const OWNER_FILE = 'owner.json';

export type Owner = {
  /** The host as far as process ids mean the same there: name, boot and process id namespace. */
  host: string;
  pid: number;
  /** The process's start in kernel ticks, where the system tells it: a reused process id has another. */
  startedTicks?: string;
};

/** This process. */
export async function thisOwner(): Promise<Owner> {
  const boot = await orUndefined(readFile('/proc/sys/kernel/random/boot_id', 'utf8'));
  const namespace = await orUndefined(readlink('/proc/self/ns/pid'));
  const host = [hostname(), boot?.trim(), namespace].filter((part) => part !== undefined).join(' ');
  const started = (await processStat(process.pid))?.startedTicks;
  return { host, pid: process.pid, ...(started && { startedTicks: started }) };
}

/** The owner that a file describes, or `undefined` when it cannot be read as one. */
export function parseOwner(text: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { host, pid, startedTicks } = value as Partial<Record<keyof Owner, unknown>>;
    if (typeof host !== 'string' || typeof pid !== 'number') return undefined;
    return { host, pid, ...(typeof startedTicks === 'string' && { startedTicks }) };
  } catch {
    return undefined;
  }
}

/** Whether a process of this very host is there and is the one meant, not a later one with its id. */
export async function isRunning(owner: Owner): Promise<boolean> {
  if (!hasProcess(owner.pid)) return false;
  const found = await processStat(owner.pid);
  if (!found) return true; // no /proc here: the id alone must do
  if (found.state === 'Z' || found.state === 'X') return false; // killed, not yet reaped by its parent
  return owner.startedTicks === undefined || found.startedTicks === owner.startedTicks;
}

function hasProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/** State and start of a process, from the fields behind its name, which may itself hold spaces and brackets. */
async function processStat(pid: number): Promise<{ state: string; startedTicks: string } | undefined> {
  const text = await orUndefined(readFile(`/proc/${pid}/stat`, 'utf8'));
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startedTicks] = [fields?.[0], fields?.[19]];
  return state && startedTicks ? { state, startedTicks } : undefined;
}

async function orUndefined<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch {
    return undefined;
  }
}
