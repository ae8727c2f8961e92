/** Whether a process runs. */
export function isAlive(pid: number): boolean;
