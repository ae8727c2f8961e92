/** A folder that outlives an installation, and that only we write. */
export function cacheFolder(env: Record<string, string | undefined>): Promise<string>;
