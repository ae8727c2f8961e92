import type { Call } from '../call.ts';

/** Where the caller reached the emulator, without a slash at its end. */
export function baseOf({ request }: Call): string {
  return `http://${request.headers.host ?? 'localhost'}`;
}
