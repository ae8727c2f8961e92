/** The last `lines` lines of a file, from byte `from` at the earliest, or '' when there is none. */
export function tail(path: string, lines: number, from?: number): Promise<string>;
/** Moves the content of a log above `bytesMax` to `NAME.1`. */
export function boundLog(path: string, bytesMax: number): Promise<void>;
/** A folder that outlives an installation, and that only we write. */
export function cacheFolder(env: Record<string, string | undefined>): Promise<string>;
