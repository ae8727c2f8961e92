/** What lies in a spool, read off the disk by its layout and without the product's code. */

import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** The intents as `<attempt>.intent`, and the names of the attempts' files. */
export async function spooledIn(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  const files = names.filter((name) => /\.(blob|answer)(\.tmp)?$/.test(name));
  const intents = names.filter((name) => basename(name) === 'intents').map((name) => intentsIn(join(root, name)));
  return [...files, ...(await Promise.all(intents)).flat()];
}

/** Fixed places of 512 bytes, each blank or an intent's JSON. */
async function intentsIn(path: string): Promise<string[]> {
  const content = await readFile(path, 'utf8').catch(() => '');
  const written = content.match(/[^]{512}/g)?.filter((place) => place.trim() !== '') ?? [];
  return written.map((place) => `${(JSON.parse(place) as { attempt: string }).attempt}.intent`);
}
