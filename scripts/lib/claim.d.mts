/** Takes the data folder for this launcher; the result gives it free. @throws when another one, alive, has it */
export function claimFolder(dataDir: string): Promise<() => Promise<void>>;
