export function newApiKey(): string;
/** What the file holds; made and written when there is no file yet. */
export function keptSecret(path: string, make: () => string): Promise<string>;
