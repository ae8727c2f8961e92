import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { staleness } from '../../scripts/lib/install.mjs';
import { checkScriptNode, isNewEnough, projectNode } from '../../scripts/lib/node.mjs';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'darkroom-install-'));
  await mkdir(join(root, 'node_modules'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const LOCKED = {
  '': { name: 'darkroom' },
  'packages/shared': { version: '0.1.0' },
  'node_modules/@darkroom/shared': { resolved: 'packages/shared', link: true },
  'node_modules/zod': { version: '4.0.0', integrity: 'sha512-a' },
  'node_modules/sharp-for-another-system': { version: '1.0.0', integrity: 'sha512-b', optional: true },
};

async function lockfiles(locked: object, installed: object): Promise<void> {
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: locked }));
  await writeFile(join(root, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }));
}

describe('the dependencies', () => {
  it('are installed when there are none', async () => {
    await rm(join(root, 'node_modules'), { recursive: true });

    expect(staleness(root)).toBe('no dependencies yet');
  });

  it('are left alone when all that this system needs is there', async () => {
    const { '': _root, 'node_modules/sharp-for-another-system': _other, ...present } = LOCKED;
    await lockfiles(LOCKED, present);

    expect(staleness(root)).toBeUndefined();
  });

  it.each([
    ['of another version', { version: '3.9.9', integrity: 'sha512-a' }],
    ['other bytes than the lockfile names', { version: '4.0.0', integrity: 'sha512-c' }],
    ['missing', undefined],
  ])('are installed again when one is %s', async (_name, zod) => {
    await lockfiles(LOCKED, { ...LOCKED, 'node_modules/zod': zod });

    expect(staleness(root)).toBe('the dependencies have changed');
  });

  it('are installed again when an installation was cut short', async () => {
    await lockfiles(LOCKED, LOCKED);
    await writeFile(join(root, 'node_modules', '.package-lock.json'), '{"packages": {"node_mod');

    expect(staleness(root)).toBe('the dependencies have changed');
  });
});

describe('the Node to run on', () => {
  it('is refused by name when it cannot even run the scripts', () => {
    expect(() => checkScriptNode('18.20.4')).toThrow('need Node 20 or newer; this is 18.20.4');
    expect(() => checkScriptNode('20.0.0')).not.toThrow();
  });

  it('is the pinned one, whatever else there is', async () => {
    const pinned = join(root, 'node_modules', 'node', 'bin', 'node');
    await mkdir(join(pinned, '..'), { recursive: true });
    await writeFile(pinned, '');

    expect(projectNode(root, '26.0.0')).toBe(pinned);
  });

  it('may be the one at hand when it is new enough, and else comes with the fix', () => {
    expect(projectNode(root, '24.15.0')).toBe(process.execPath);
    expect(() => projectNode(root, '24.14.9')).toThrow('npm rebuild node');
    expect([isNewEnough('24.15.0'), isNewEnough('25.0.0'), isNewEnough('20.19.0')]).toEqual([true, true, false]);
  });
});
