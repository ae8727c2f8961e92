/** Address, key, and two commands that work when pasted. */
export function introduction(
  settings: { dataDir: string; emulated: boolean; channelsFile?: string },
  started: { url: string; apiKey: string },
): string;
