/** Shows what is added to the files from now on; the result shows the rest and stops. */
export function followLogs(paths: string[], write?: (text: string) => void): () => Promise<void>;
