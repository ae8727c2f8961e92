/** Why an installation is needed, or undefined when it is as the lockfile says. */
export function staleness(root: string): string | undefined;
