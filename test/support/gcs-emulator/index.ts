/** A GCS that lives in this repository: the JSON API as far as object stores use it, signed URLs, and faults on demand. */

export type { Fault } from './faults.ts';
export { type GcsEmulator, type GcsEmulatorOptions, startGcsEmulator } from './server.ts';
