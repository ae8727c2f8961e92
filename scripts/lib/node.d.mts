/** @throws when this Node cannot even run the scripts */
export function checkScriptNode(version?: string): void;
/** The Node to run Darkroom with. @throws with the fix when there is none */
export function projectNode(root: string, version?: string): string;
export function isNewEnough(version: string): boolean;
